import math
from typing import Any

import pytest

from medgraft.data.readers.multilabel import CONTRADICTION, NO_CLASS, NO_TRUTH, truths_of_list, truths_of_row


@pytest.mark.parametrize(
    ("cell", "truth"),
    [("1", 1), ("1.0", 1), (" 1 ", 1), (1, 1), (1.0, 1), (True, 1), ("0", 0), ("0.0", 0), (0, 0), (False, 0)],
)
def test_cells_that_say_yes_or_no(cell: Any, truth: int) -> None:
    assert truths_of_row({"a": cell}, ["a"], "unknown", "unknown") == ({"a": truth}, None)


@pytest.mark.parametrize("cell", ["-1", "-1.0", -1, -1.0])
def test_uncertain_by_name(cell: Any) -> None:
    found = [truths_of_row({"a": cell}, ["a"], policy, "zeros")[0] for policy in ("unknown", "ones", "zeros")]
    assert found == [{"a": None}, {"a": 1}, {"a": 0}]


@pytest.mark.parametrize("cell", [None, "", "   ", math.nan])
def test_blank_by_name(cell: Any) -> None:
    found = [truths_of_row({"a": cell}, ["a"], "ones", policy)[0] for policy in ("unknown", "zeros")]
    assert found == [{"a": None}, {"a": 0}]


@pytest.mark.parametrize("cell", ["yes", "2", "0.7", 2, 0.7, "nan", "NA", "inf", math.inf, "1,0", "--1", [1], 10**400])
def test_anything_else_spoils_the_row(cell: Any) -> None:
    assert truths_of_row({"a": 1, "b": cell}, ["a", "b"], "ones", "zeros") == (None, NO_TRUTH)


def test_columns_that_are_not_asked_for_do_not_matter() -> None:
    assert truths_of_row({"a": 1, "b": "yes"}, ["a"], "unknown", "unknown") == ({"a": 1}, None)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["mass"], ({"edema": 0, "mass": 1}, None)),
        ([" mass", "edema ", "mass"], ({"edema": 1, "mass": 1}, None)),
        (["none"], ({"edema": 0, "mass": 0}, None)),
        (["none", ""], ({"edema": 0, "mass": 0}, None)),
        (["none", "mass"], (None, CONTRADICTION)),
        (["Mass"], (None, NO_CLASS)),
        (["mass", "hernia"], (None, NO_CLASS)),
        ([], ({"edema": None, "mass": None}, None)),
        ([""], ({"edema": None, "mass": None}, None)),
    ],
)
def test_lists(named: list[str], expected: Any) -> None:
    assert truths_of_list(named, ["edema", "mass"], "none", "unknown") == expected


def test_a_list_without_a_word_for_nothing() -> None:
    assert truths_of_list(["none"], ["mass"], None, "zeros") == (None, NO_CLASS)
    assert truths_of_list([], ["mass"], None, "zeros") == ({"mass": 0}, None)
