from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.report.cohorts import FINDINGS, FIVE, GRADES
from tests.registry.evaluated import winner_of

from medgraft.networks.network import read_spec
from medgraft.registry.card import interval, model_card
from medgraft.registry.winner import Winner

FIGURE = {"estimate": 0.9, "low": 0.8, "high": 0.95, "undefined_share": 0.0, "se": 0.04}
STUDIES: dict[str, dict[str, Any]] = {
    "multiclass": {"classes": FIVE, "rare": "actinic keratosis"},
    "ordinal": {"classes": GRADES, "unit": {"of": "group", "aggregate": "mean"}},
    "multilabel": {"classes": FINDINGS, "unit": {"of": "study", "aggregate": "max"}},
}


def rendered(winner: Winner, folder: Path, openings: int = 1) -> str:
    return model_card(winner, read_spec(folder), "nodules", openings, {"dataset": "abc"})


@pytest.fixture(scope="module")
def cards(winner: Winner, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Winner, str]]:
    """A winner and its card of every task."""
    found = {"binary": (winner, rendered(winner, winner.folder))}
    for task, options in STUDIES.items():
        other = winner_of(tmp_path_factory.mktemp(task), winner, task=task, fractions=(1.0,), seeds=(0, 1), **options)
        found[task] = (other, rendered(other, winner.folder))
    return found


def test_says_what_a_stranger_must_know(winner: Winner) -> None:
    card = rendered(winner, winner.folder)
    auroc = interval(winner.figures["test"]["macro"]["auroc"])
    for said in (
        "**Not a medical device.**",
        "`nodule, solid/part-solid` (positive)",
        "- Made-up pictures.",
        "| test | 32 | 16 | 16 | 16 |",
        "Licence of the data: CC0-1.0.",
        "**medgraft is not a certified de-identifier.**",
        "Unit of prediction: **image** (one prediction per image); 32 images are scored.",
        f"| AUROC | {auroc} |",
        "temperature 1.7000",
        "largest on validation (Youden 1950)",
        "The data set has no subgroup columns",
        "| solid **(this model)** |",
        "Initial weights `imagenet` (random): drawn; licence: none needed.",
        "Trained on 24 images of 12 patients for 100 steps",
        "files with more bits a channel are refused",
        "| dataset | `abc` |",
    ):
        assert said in card
    assert "have been opened" not in card


def test_tells_that_the_test_set_was_opened_before(winner: Winner) -> None:
    assert "have been opened 4 times" in rendered(winner, winner.folder, openings=4)


def test_tells_the_value_that_is_white(winner: Winner) -> None:
    deep = replace(winner, dataset=winner.dataset | {"white": 4095})
    card = rendered(deep, winner.folder)
    assert "with the value 4095 as white" in card
    assert "are refused" not in card.split("## Limitations")[1].split("## Use")[0]


def test_tells_what_a_volume_is_sent_as(winner: Winner) -> None:
    dataset = winner.dataset
    asked = dataset["asked"]["dataset"]
    spaced = asked | {"reader": asked["reader"] | {"spacing": [1.0, 1.0, 2.5]}}
    volumes = replace(winner, dataset=dataset | {"dimensions": 3, "asked": dataset["asked"] | {"dataset": spaced}})
    said = rendered(volumes, winner.folder).split("## Limitations")[1]
    assert "NIfTI files of 1.0 × 1.0 × 2.5 mm a voxel" in said
    assert "the base64 text of a NIfTI file" in said
    assert "base64 -w 0 volume.nii.gz" in said
    assert "8-bit" not in said


@pytest.mark.parametrize(("task", "tables"), [("binary", 9), ("multiclass", 10), ("ordinal", 10), ("multilabel", 10)])
def test_every_table_row_has_as_many_cells_as_its_head(
    cards: dict[str, tuple[Winner, str]], task: str, tables: int
) -> None:
    blocks = [block.splitlines() for block in cards[task][1].split("\n\n") if block.startswith("|")]
    assert len(blocks) == tables
    for block in blocks:
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1
        assert set(block[1]) <= set("|-:")


def test_every_operating_point(cards: dict[str, tuple[Winner, str]]) -> None:
    for winner, card in cards.values():
        points = winner.figures["test"]["operating"]
        assert len(points) == 2 * len(winner.metrics["scored"])
        for point in points:
            reached = " | ".join(interval(point[key]) for key in ("sensitivity", "specificity", "ppv", "npv"))
            said = "stated" if point["prevalence_stated"] else "that of test"
            assert (
                f"| {point['target']} 0.9 | {point['threshold']:.4f} | {reached} | {point['prevalence']:.3f} ({said}) |"
            ) in card


def test_several_classes(cards: dict[str, tuple[Winner, str]]) -> None:
    winner, card = cards["multiclass"]
    metrics: dict[str, Any] = dict(winner.metrics)
    test = winner.figures["test"]
    assert "5 classes, which exclude each\nother: `nevus`, `melanoma`" in card
    assert "the decision for the likeliest class" in card
    assert "`dermatofibroma` is predicted but not scored: 8 positive patients in validation" in card
    assert "| dermatofibroma |" not in card.split("## Figures")[1]
    values = ", ".join(f"{value:.3f}" for value in test["seeds"]["values"])
    assert f"{values}\n(standard deviation {test['seeds']['sd']:.3f})" in card
    assert "(interval withheld: 13.4 % undefined draws)" in card
    figures = test["per_class"]["melanoma"]
    renamed = {("a|b" if label == "melanoma" else label): facts for label, facts in test["per_class"].items()}
    figures_of_winner = winner.figures | {"test": test | {"per_class": renamed, "operating": []}}
    metrics |= {"scored": ["a|b"], "candidates": {winner.name: figures_of_winner}, "subgroups": []}
    card = rendered(replace(winner, metrics=metrics), winner.folder)
    assert (
        f"| a\\|b | {figures['positives']} in {figures['positive_groups']} patients | {figures['negatives']} |" in card
    )


def test_grades(cards: dict[str, tuple[Winner, str]]) -> None:
    winner, card = cards["ordinal"]
    macro = winner.figures["test"]["macro"]
    assert "5 grades, lowest first:\n`none`, `doubtful`, `minimal`, `moderate`, `severe`." in card
    assert f"| quadratic-weighted kappa, over all grades | {interval(macro['quadratic_kappa'])} |" in card
    assert f"| mean absolute error (grades), over all grades | {interval(macro['mae'])} |" in card
    assert "are those of the median grade" in card
    assert (
        "Unit of prediction: **patient** (one prediction per patient, the mean of its images' probabilities); "
        "160 patients are scored."
    ) in card
    assert "The package answers per image, the figures are of patients" in card


def test_findings(cards: dict[str, tuple[Winner, str]]) -> None:
    winner, card = cards["multilabel"]
    per_class = winner.figures["test"]["per_class"]
    assert "6 findings, any number of which may be\npresent: `atelectasis`" in card
    for label in winner.metrics["scored"]:
        facts = per_class[label]
        counts = (
            f"{facts['positives']} in {facts['positive_groups']} patients | {facts['negatives']} | {facts['unknown']}"
        )
        assert f"| {label} | {counts} |" in card
        assert f"`{label}` {facts['decision_threshold']:.4f}" in card
    assert "one prediction per study, the largest of its images' probabilities" in card


def test_subgroups_to_be_looked_at(cards: dict[str, tuple[Winner, str]]) -> None:
    card = cards["multilabel"][1]
    assert "Examined: `site`, `age`, on test" in card
    assert "- site south, effusion: AUROC " in card
    assert "- site unknown: too few patients, so nothing is known of the model there." in card


def test_checklists_tell_apart_what_is_filled_and_what_is_yours(cards: dict[str, tuple[Winner, str]]) -> None:
    card = cards["binary"][1]
    filled, yours = card.split("### Filled")[1].split("### For you to fill")
    assert "| CLAIM 2024 26, Training | How the final model was selected. | On validation, by AUROC:" in filled
    assert "| TRIPOD+AI 17, Ethical approval |" in yours
    for title, count in (("TRIPOD+AI", 52), ("CLAIM 2024", 44)):
        assert filled.count(f"| {title} ") + yours.count(f"| {title} ") == count
    assert "{" not in filled + yours


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "0.900 (0.800 to 0.950)"),
        ({"low": None, "high": None, "undefined_share": 0.034}, "0.900 (interval withheld: 3.4 % undefined draws)"),
        ({"low": None, "high": None}, "0.900 (interval withheld: all draws are alike)"),
        ({"estimate": None, "low": None, "high": None}, "undefined"),
    ],
)
def test_an_interval_or_why_there_is_none(change: dict[str, Any], text: str) -> None:
    assert interval(FIGURE | change) == text


def test_template_lies_in_the_package() -> None:
    assert (Path(__file__).parents[2] / "src/medgraft/registry/model_card.md").is_file()
