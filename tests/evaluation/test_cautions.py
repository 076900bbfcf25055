from typing import Any

import pytest

from medgraft.evaluation.cautions import NO_SUBGROUPS, below, subgroup_cautions

Result = dict[str, Any]


def figure(estimate: float | None, low: float | None = None, high: float | None = None) -> Result:
    return {"estimate": estimate, "low": low, "high": high}


GOOD = {"auroc": figure(0.9, 0.85, 0.95), "sensitivity": figure(0.8, 0.7, 0.9), "specificity": figure(0.9, 0.8, 1.0)}


def stratum(column: str, value: str, figures: dict[str, Result], withheld: str | None = None) -> Result:
    return {"column": column, "value": value, "figures": figures, "withheld": withheld}


def test_says_where_the_model_is_worse_and_where_nothing_is_known() -> None:
    worse = GOOD | {"auroc": figure(0.7, 0.6, 0.8), "specificity": figure(0.6, 0.5, 0.7)}
    strata = [
        stratum("site", "north", {"sick": GOOD}),
        stratum("site", "south", {"sick": worse}),
        stratum("site", "west", {}, "few"),
        stratum("site", "unknown", {}, "few"),
        stratum("age", "80–99", {}, "few"),
    ]
    assert subgroup_cautions(strata, {"sick": GOOD}) == [
        "site south, sick: AUROC 0.700 (0.600–0.800) against 0.900 of all; "
        "specificity 0.600 (0.500–0.700) against 0.900 of all.",
        "site west, unknown: too few patients, so nothing is known of the model there.",
        "age 80–99: too few patients, so nothing is known of the model there.",
    ]


def test_nothing_to_say_where_all_are_alike() -> None:
    assert subgroup_cautions([stratum("site", "north", {"sick": GOOD})], {"sick": GOOD}) == []


def test_without_columns_it_says_that_nothing_is_known() -> None:
    assert subgroup_cautions([], {"sick": GOOD}) == [NO_SUBGROUPS]


@pytest.mark.parametrize(
    ("of_stratum", "of_all", "worse"),
    [
        (figure(0.7, 0.6, 0.8), figure(0.9), True),
        (figure(0.7, 0.6, 0.9), figure(0.9), False),
        (figure(0.7), figure(0.9), False),
        (figure(0.7, 0.6, 0.8), figure(None), False),
    ],
)
def test_below_is_a_whole_interval_below(of_stratum: Result, of_all: Result, worse: bool) -> None:
    assert below(of_stratum, of_all) is worse
