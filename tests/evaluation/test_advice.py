"""What a score's advice was worth, on orders whose outcome is known; and which candidates are compared."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from medgraft.evaluation.advice import SCORES, Judgement, compare, judge, tried

Result = dict[str, Any]


def judged(predicted: Sequence[float], measured: Sequence[float]) -> Judgement:
    """Of initializations a, b, c, …"""
    names = "abcdefgh"[: len(measured)]
    return judge("logme", dict(zip(names, predicted, strict=True)), dict(zip(names, measured, strict=True)))


def card(initialization: str | None = "a", strategy: str = "linear", **settings: Any) -> Result:
    told: Result = {"strategy": strategy} | ({"initialization": initialization} if initialization else {}) | settings
    return {"settings": told, "chosen": told}


def row(
    initialization: str, logme: float, place: str = "whole", channels: int = 512, leep: float | None = None
) -> Result:
    scores = {name: {"estimate": logme, "low": None, "high": None, "se": None} for name in SCORES}
    told = scores | {"nce": None, "leep": None if leep is None else scores["leep"] | {"estimate": leep}}
    return {"initialization": initialization, "place": place, "channels": channels, "scores": told}


def grouped(rows: Sequence[Result], candidates: dict[str, tuple[Result, float]]) -> list[Result]:
    found = [tried(name, c, {"score": score, "standard_error": 0.02}) for name, (c, score) in candidates.items()]
    return compare(rows, [one for one in found if one is not None])


def of_score(group: Result, score: str) -> Result:
    found: Result = next(told for told in group["scores"] if told["score"] == score)
    return found


def test_five_in_the_right_order_help() -> None:
    found = judged([1, 2, 3, 4, 5], [0.5, 0.6, 0.7, 0.8, 0.9])
    assert found.spearman is not None
    assert found.kendall is not None
    assert (found.spearman.estimate, found.kendall.estimate) == (1, 1)
    assert found.spearman.p == pytest.approx(2 / 120)
    assert (found.helped, found.first, found.behind) == (True, ["e"], 0)
    assert found.order == {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}
    assert found.verdict == (
        "helped: it put e first, which did best, and the order of all agrees (Spearman's ρ 1.00, p = 0.017)."
    )


def test_a_reversed_order_did_not_help_and_says_what_it_would_have_cost() -> None:
    found = judged([5, 4, 3, 2, 1], [0.5, 0.6, 0.7, 0.8, 0.9])
    assert found.spearman is not None
    assert (found.spearman.estimate, found.helped) == (-1, False)
    assert found.verdict == "did not help: it put a first, 0.400 below the best, e."


def test_the_best_first_is_not_enough_where_the_order_says_no_more_than_chance() -> None:
    assert judged([5, 1, 2, 3, 4], [0.9, 0.6, 0.8, 0.7, 0.5]).verdict.startswith(
        "did not help: it put a first, which did best, but the order of all agrees no better than by chance (Spearman's"
    )
    against = judged([5, 1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6, 0.5])
    assert against.helped is False
    assert "but the order of all does not agree (Spearman's ρ 0.00, p = 1.000)" in against.verdict


def test_three_and_four_cannot_tell_a_correlation_from_chance() -> None:
    few = "three initializations cannot tell a rank correlation from chance."
    right, wrong = judged([1, 2, 3], [0.5, 0.6, 0.7]), judged([1, 3, 2], [0.5, 0.6, 0.7])
    assert right.spearman is not None
    assert (right.spearman.estimate, right.helped) == (1, None)
    assert right.spearman.p == pytest.approx(2 / 6)
    assert right.verdict == f"cannot be told: it put c first, which did best, but {few}"
    assert wrong.verdict == f"did not help: it put b first, 0.100 below the best, c; {few}"
    assert "four initializations cannot tell" in judged([1, 2, 3, 4], [0.5, 0.6, 0.7, 0.8]).verdict


def test_two_have_no_correlation() -> None:
    found = judged([1, 2], [0.5, 0.6])
    assert (found.spearman, found.kendall, found.helped) == (None, None, None)
    assert "of two initializations chance alone puts the best first every other time" in found.verdict
    assert judged([2, 1], [0.5, 0.6]).helped is False


def test_ties() -> None:
    shared = judged([1, 2, 2], [0.5, 0.6, 0.7])
    assert shared.order == {"a": 3, "b": 1.5, "c": 1.5}
    assert (
        "did not help: it put b and c first, 0.100 below the best, c" in shared.verdict
    )  # one of them is not the best
    assert shared.spearman is not None
    assert shared.spearman.estimate == pytest.approx(3**0.5 / 2)
    alike = judged([2, 2, 2], [0.5, 0.6, 0.7])
    assert (alike.spearman, alike.helped) == (None, False)
    assert alike.verdict == "did not help: it scores them all alike."
    level = judged([1, 2, 3], [0.7, 0.7, 0.7])
    assert (level.spearman, level.helped) == (None, None)
    assert level.verdict == "cannot be told: they all did equally well on validation."


def test_a_score_that_lacks_an_initialization_is_held_against_the_others() -> None:
    found = judge("leep", {"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.6, "best": 0.9})
    assert (found.order, found.behind) == ({"a": 2, "b": 1}, 0)
    assert judge("nce", {}, {"a": 0.5, "b": 0.6}).verdict == (
        "cannot be compared: it scores none of these initializations."
    )


def test_only_candidates_that_differ_in_nothing_else_are_compared() -> None:
    rows = [row("a", 0.1), row("b", 0.3), row("c", 0.2)]
    (group,) = grouped(
        rows,
        {
            "linear_a": (card("a"), 0.7),
            "linear_b": (card("b"), 0.8),
            "again": (card("b"), 0.8),  # says nothing new of b
            "full_a": (card("a", "full", epochs=30), 0.9),
            "full_c": (card("c", "full", epochs=20), 0.6),
            "joined": (card(None, "dvme", initializations=["a", "b"]), 0.9),
        },
    )
    assert [one["candidate"] for one in group["initializations"]] == ["linear_a", "linear_b"]
    assert [one["rank"] for one in group["initializations"]] == [2, 1]
    assert of_score(group, "logme")["first"] == ["b"]
    assert json.loads(json.dumps(group)) == group


def test_the_score_is_that_of_the_features_a_candidate_used() -> None:
    rows = [row("a", 0.1), row("a", 0.9, "layer2"), row("b", 0.3), row("b", 0.2, "layer2"), row("b", 0.4, "layer3")]

    def first(found: list[Result]) -> tuple[list[str], list[str]]:
        (group,) = found
        return of_score(group, "logme")["first"], [one["place"] for one in group["initializations"]]

    for strategy, best, place in (("truncated", "a", "layer2"), ("layerwise", "b", "whole")):
        cards = {name: (card(name, strategy, cut="layer2"), 0.7) for name in "ab"}
        assert first(grouped(rows, cards)) == ([best], [place, place])
    searching = card("b", "truncated", cut="search")
    cards = {
        "cut": (searching | {"chosen": {"strategy": "truncated", "cut": "layer3"}}, 0.7),
        "whole": (card("a", "truncated", cut="search") | {"chosen": {"strategy": "full"}}, 0.6),
    }
    assert first(grouped(rows, cards)) == (["b"], ["layer3", "whole"])


def test_a_place_that_was_not_scored_has_no_prediction() -> None:
    cards = {name: (card(name, "truncated", cut="layer2.1"), 0.7) for name in "ab"}
    (group,) = grouped([row("a", 0.1), row("b", 0.2)], cards)
    assert {told["verdict"] for told in group["scores"]} == {
        "cannot be compared: it scores none of these initializations."
    }


def test_transrate_is_compared_only_among_as_many_features() -> None:
    cards = {name: (card(name), score) for name, score in (("a", 0.7), ("b", 0.8))}
    (alike,) = grouped([row("a", 0.1), row("b", 0.2)], cards)
    (other,) = grouped([row("a", 0.1), row("b", 0.2, channels=1280)], cards)
    assert of_score(alike, "transrate")["first"] == ["b"]
    assert of_score(other, "transrate")["verdict"] == (
        "cannot be compared: it grows with the number of features, and these have 512 and 1280."
    )
    assert of_score(other, "logme")["first"] == ["b"]
