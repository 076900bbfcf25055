"""The files between a ranking and an evaluation: what is read of each, when it is stale, what the terminal says."""

from pathlib import Path
from typing import Any

import pytest

from medgraft.artifacts import write_card, write_json
from medgraft.errors import UserError
from medgraft.evaluation.advice import SCORES
from medgraft.evaluation.advising import NOTHING, STALE, advice_lines, advise, read_advice, read_ranking, refresh_advice

Result = dict[str, Any]

MEASURED = {"probe_a": 0.8, "probe_b": 0.7}
MADE_FROM = {"dataset": "d" * 32, "a": "a" * 32, "b": "b" * 32}


def write_ranking(folder: Path, values: dict[str, float], **made_from: str) -> Path:
    """A ranking of whole backbones by every score alike."""
    rows = [
        {
            "initialization": name,
            "place": "whole",
            "channels": 8,
            "scores": {score: {"estimate": value, "low": None, "high": None, "se": None} for score in SCORES},
        }
        for name, value in values.items()
    ]
    write_json(folder / "ranking.json", {"rows": rows})
    write_card(folder, "ranking", "f" * 32, MADE_FROM | made_from)
    return folder


def write_metrics(evaluation: Path, test: Result | None = None) -> Path:
    candidates = {
        name: {"validation": {"score": score, "standard_error": 0.02}} | ({"test": test} if test else {})
        for name, score in MEASURED.items()
    }
    write_json(evaluation / "metrics.json", {"metric": "auroc", "candidates": candidates})
    return evaluation


def cards(**settings: Any) -> list[Result]:
    """Of a linear probe of a, and of b."""
    found = []
    for name in MEASURED:
        source = name[-1]
        told = {"strategy": "linear", "initialization": source} | settings.get(name, {})
        made_from = {"dataset": MADE_FROM["dataset"], source: MADE_FROM[source]}
        found.append({"name": name, "settings": told, "chosen": told, "made_from": made_from})
    return found


def test_validation_alone_is_looked_at(tmp_path: Path) -> None:
    ranking = read_ranking(write_ranking(tmp_path / "ranking", {"a": 2.0, "b": 1.0}))
    assert ranking is not None
    without = advise(ranking, write_metrics(tmp_path / "without"), cards())
    for test in ({"macro": {"auroc": {"estimate": 0.1}}}, {"macro": {"auroc": {"estimate": 0.9}}}):
        assert advise(ranking, write_metrics(tmp_path / "with", test), cards()) == without
    assert [one["measured"] for one in without["groups"][0]["initializations"]] == list(MEASURED.values())


@pytest.mark.parametrize("role", list(MADE_FROM))
def test_a_ranking_of_other_data_or_weights_is_not_shown(tmp_path: Path, role: str) -> None:
    stale = read_ranking(write_ranking(tmp_path / "ranking", {"a": 2.0, "b": 1.0}, **{role: "0" * 32}))
    assert stale is not None
    found = advise(stale, write_metrics(tmp_path), cards())
    assert (found["why_not"], found["groups"]) == (STALE, [])
    assert advice_lines(found) == [STALE]


def test_an_initialization_that_no_candidate_uses_makes_nothing_stale(tmp_path: Path) -> None:
    ranking = read_ranking(write_ranking(tmp_path / "ranking", {"a": 2.0, "b": 1.0, "c": 3.0}, c="c" * 32))
    assert ranking is not None
    assert advise(ranking, write_metrics(tmp_path), cards())["why_not"] == ""


def test_a_study_without_a_pair_says_so(tmp_path: Path) -> None:
    ranking = read_ranking(write_ranking(tmp_path / "ranking", {"a": 2.0, "b": 1.0}))
    assert ranking is not None
    found = advise(ranking, write_metrics(tmp_path), cards(probe_b={"strategy": "full"}))
    assert advice_lines(found) == [NOTHING]


def test_advice_follows_the_ranking(tmp_path: Path) -> None:
    evaluation = write_metrics(tmp_path / "evaluation")
    assert not refresh_advice(None, evaluation, cards())
    right, wrong = (
        read_ranking(write_ranking(tmp_path / name, {"a": value, "b": 1.0}))
        for name, value in (("right", 2.0), ("wrong", 0.0))
    )
    assert [refresh_advice(r, evaluation, cards()) for r in (right, right, wrong)] == [True, False, True]
    told = read_advice(evaluation)
    assert told is not None
    assert told["groups"][0]["scores"][0]["first"] == ["b"]
    assert [refresh_advice(None, evaluation, cards()) for _ in range(2)] == [True, False]
    assert read_advice(evaluation) is None


def test_lines_for_a_terminal(tmp_path: Path) -> None:
    ranking = read_ranking(write_ranking(tmp_path / "ranking", {"a": 1.0, "b": 2.0}))
    assert ranking is not None
    first, *others = advice_lines(advise(ranking, write_metrics(tmp_path), cards()))
    assert first == "linear, AUROC on validation ± SE: a 0.800 ± 0.020, b 0.700 ± 0.020"
    assert others[0] == (
        "  LogME: did not help: it put b first, 0.100 below the best, a; of two initializations chance alone puts the "
        "best first every other time."
    )
    assert len(others) == len(SCORES)


def test_no_ranking_and_another_artifact(tmp_path: Path) -> None:
    assert read_ranking(None) is read_ranking(tmp_path / "nowhere") is None
    write_card(tmp_path, "dataset", "0" * 32, {})
    with pytest.raises(UserError, match="`medgraft rank`"):
        read_ranking(tmp_path)
