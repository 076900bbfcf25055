"""The checklists: the guidelines' own numbering, and no claim that the artifacts cannot back."""

from typing import Any

import pytest
from tests.evaluation.report.cohorts import BINARY, FINDINGS
from tests.evaluation.report.evaluations import make_evaluation

from medgraft.artifacts import read_json
from medgraft.evaluation.checklists import Answer, checklists
from medgraft.evaluation.checklists.facts import known

Result = dict[str, Any]

PARTS = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}  # of TRIPOD+AI's items that have some
FILLED = {
    "TRIPOD+AI": ["9a", "12a", "12b", "12e", "12f", "12g", "21", "24"],
    "CLAIM 2024": ["19", "20", "22", "24", "25", "26", "27", "28", "29", "31", "32", "37", "38"],
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """The arguments of `known`, of a binary and of a multilabel evaluation."""
    found = {}
    tasks = {"binary": (BINARY, "image"), "multilabel": (FINDINGS, "study")}
    for task, (classes, of) in tasks.items():
        folder = tmp_path_factory.mktemp(task)
        unit = {"of": of, "aggregate": "mean"}
        arguments = make_evaluation(folder, task=task, classes=classes, unit=unit, fractions=(1.0,), seeds=(0, 1))
        found[task] = {
            "metrics": read_json(folder / "metrics.json"),
            "dataset": arguments["dataset_card"],
            "quality": arguments["quality"],
            "failures": read_json(folder / "failures.json"),
            "origins": arguments["initializations"],
            "openings": 1,
        }
    return found


def answers(of: Result, title: str) -> dict[str, Answer]:
    (found,) = [checklist for checklist in checklists(known(**of)) if checklist.title == title]
    return {answer.number: answer for answer in found.answers}


def test_numbers_are_those_of_the_guidelines(sources: dict[str, Result]) -> None:
    tripod, claim = checklists(known(**sources["binary"]))
    numbers = [f"{item}{part}" for item in range(1, 28) for part in "abcdefg"[: PARTS.get(item, 0)] or [""]]
    assert [answer.number for answer in tripod.answers] == numbers
    assert len(numbers) == 52
    assert [answer.number for answer in claim.answers] == [str(n) for n in range(1, 45)]
    assert all(answer.topic and answer.asks for checklist in (tripod, claim) for answer in checklist.answers)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
@pytest.mark.parametrize("title", FILLED)
def test_only_what_software_knows_is_filled(sources: dict[str, Result], task: str, title: str) -> None:
    found = answers(sources[task], title)
    assert [answer.number for answer in found.values() if answer.filled] == FILLED[title]
    assert all(answer.given for answer in found.values() if answer.filled)


def test_answers_name_the_artifacts_numbers(sources: dict[str, Result]) -> None:
    of = sources["binary"]
    tripod, claim = (answers(of, title) for title in FILLED)
    winner = of["metrics"]["candidates"][of["metrics"]["winner"]]
    assert "train: 600 images of 300 patients; validation:" in tripod["12a"].given
    assert f"the temperature ({winner['temperature']:.4f})" in tripod["12f"].given
    assert "This test set had not been opened before." in tripod["12f"].given
    assert "1,100 rows read, 60 quarantined, 27 exact duplicates dropped, 1,013 kept" in tripod["20a"].given
    assert "test: benign" in tripod["21"].given
    assert "2,000 bootstrap draws over patients" in claim["29"].given
    assert f"{winner['parameters']:,} parameters" in claim["22"].given
    assert "imagenet: published, timm tf_efficientnet_lite0.in1k" in claim["24"].given
    assert "Not a certified de-identifier" in claim["11"].given
    assert not claim["11"].filled
    assert "Spread over 2 seeds; learning curves over 1 label fraction." in claim["30"].given


def test_multilabel_says_what_unknown_means_and_what_one_prediction_is(sources: dict[str, Result]) -> None:
    tripod = answers(sources["multilabel"], "TRIPOD+AI")
    assert "An unknown label is not a negative one" in tripod["11"].given
    assert "one prediction per study, the mean of its images' probabilities" in tripod["12g"].given
    assert "Each label is decided by a threshold of its own" in tripod["15"].given


def test_what_the_artifacts_do_not_tell_is_left_whole(sources: dict[str, Result]) -> None:
    of = sources["binary"]
    card = {key: value for key, value in of["dataset"].items() if key != "licence"} | {"subgroups": []}
    tripod = answers(of | {"dataset": card}, "TRIPOD+AI")
    for number in ("12d", "18e", "23b"):
        assert (tripod[number].given, tripod[number].left) == ("", "all of it")
    assert "No subgroups: the data set has no such columns." in tripod["23a"].given


def test_whether_an_earlier_look_changed_the_model_is_not_known(sources: dict[str, Result]) -> None:
    tripod = answers(sources["binary"] | {"openings": 2}, "TRIPOD+AI")
    for number in ("12f", "24"):
        assert (tripod[number].given, tripod[number].left) == ("", "all of it")


def test_without_patients_partitions_are_disjoint_by_image_only(sources: dict[str, Result]) -> None:
    of = sources["binary"]
    asked = of["dataset"]["asked"] | {"dataset": of["dataset"]["asked"]["dataset"] | {"ungrouped": True}}
    claim = answers(of | {"dataset": of["dataset"] | {"asked": asked}}, "CLAIM 2024")
    assert claim["20"].given.startswith("Images only: no patient is known")
    assert "By image, 25% of the images to test" in claim["19"].given


def test_a_set_that_nothing_was_trained_on_is_external_and_not_internal(sources: dict[str, Result]) -> None:
    of = sources["binary"]
    internal, external = (answers(of, "CLAIM 2024")[n] for n in ("32", "33"))
    assert (internal.filled, external.given) == (True, "")
    splits = {"test": of["dataset"]["splits"]["test"]}
    claim = answers(of | {"dataset": of["dataset"] | {"splits": splits}}, "CLAIM 2024")
    assert (claim["32"].given, claim["32"].left) == ("", "all of it")
    assert claim["33"].given.startswith("Nothing of this data set was used to develop the model")
    assert not claim["33"].filled


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"held_out": {"column": "site", "value": "north"}}, "Test is every patient whose site is north; 20%"),
        ({"only_test": True}, "Everything that is labelled is test."),
        ({}, "By whole patients, 25% of the images to test and 20% to validation (seed 0)"),
    ],
)
def test_how_the_data_were_divided(sources: dict[str, Result], split: Result, said: str) -> None:
    of = sources["binary"]
    asked = of["dataset"]["asked"] | {"split": of["dataset"]["asked"]["split"] | split}
    assert said in answers(of | {"dataset": of["dataset"] | {"asked": asked}}, "CLAIM 2024")["19"].given
