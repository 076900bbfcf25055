import re
from typing import Any

from medgraft.evaluation.report.forest import forests

Result = dict[str, Any]


def interval(estimate: float | None, low: float | None, high: float | None) -> Result:
    return {"estimate": estimate, "low": low, "high": high, "undefined_share": 0.0, "se": None}


def figures(estimate: float | None, low: float | None, high: float | None) -> Result:
    return {key: interval(estimate, low, high) for key in ("auroc", "sensitivity", "specificity")}


def stratum(value: str, figures: dict[str, Result], withheld: str | None = None) -> Result:
    return {"column": "site", "value": value, "images": 20, "groups": 10, "figures": figures, "withheld": withheld}


OVERALL = {"sick": figures(0.8, 0.75, 0.85)}


def squares(bar: str) -> list[float]:
    return [float(x) for x in re.findall(r'<rect x="([0-9.]+)"', bar)]


def test_a_square_lies_where_its_estimate_is_on_the_axis() -> None:
    strata = [stratum("a", {"sick": figures(0.6, 0.5, 0.7)}), stratum("b", {"sick": figures(1.0, 1.0, 1.0)})]
    (forest,) = forests(strata, OVERALL, ["sick"])
    ((_, rows),) = forest.columns
    (low,), (middle,), (high,) = (squares(bar) for bar in (rows[0].bar, forest.bar, rows[1].bar))
    assert low < middle < high
    assert abs((middle - low) / (high - low) - 0.5) < 0.01  # 0.6, 0.8, 1.0
    ticks = dict(re.findall(r'<text x="([0-9.]+)"[^>]*>([0-9.]+)</text>', forest.axis))
    assert list(ticks.values()) == ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]
    assert abs(float(next(x for x, tick in ticks.items() if tick == "0.8")) - (middle + 3.5)) < 0.2


def test_marks_what_lies_below_all_and_counts_it() -> None:
    strata = [stratum("a", {"sick": figures(0.6, 0.5, 0.79)}), stratum("b", {"sick": figures(0.7, 0.5, 0.8)})]
    (forest,) = forests(strata, OVERALL, ["sick"])
    ((_, rows),) = forest.columns
    assert rows[0].below == {"auroc", "sensitivity", "specificity"}
    assert not rows[1].below
    assert (forest.marked, forest.shown) == (1, 2)


def test_withheld_strata_have_no_bar_but_a_reason() -> None:
    strata = [stratum("a", {}, "fewer than 10 negative patients"), stratum("b", {"other": figures(0.9, 0.8, 1.0)})]
    (forest,) = forests(strata, OVERALL, ["sick"])
    ((_, rows),) = forest.columns
    assert [row.bar for row in rows] == ["", ""]
    assert rows[0].withheld == "fewer than 10 negative patients"
    assert rows[1].withheld == "fewer than 10 positive or 10 negative patients"
    assert forest.shown == 0


def test_an_interval_that_is_withheld_leaves_the_square_alone() -> None:
    (forest,) = forests([stratum("a", {"sick": figures(0.7, None, None)})], OVERALL, ["sick"])
    ((_, (row,)),) = forest.columns
    assert squares(row.bar)
    assert row.bar.count("<line") == 1  # that of all
    assert "nan" not in row.bar.lower()


def test_no_columns_no_forest() -> None:
    assert forests([], OVERALL, ["sick"]) == []
