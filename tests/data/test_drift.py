from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import ks_2samp

from medgraft.data.drift import FLAGGED, LEAST, drift
from medgraft.data.readers.reader import Value

RNG = np.random.default_rng(0)
BRIGHT, DARK = RNG.normal(120, 20, 60), RNG.normal(100, 20, 40)


def two_sites() -> list[dict[str, object]]:
    return drift(
        ["train"] * 50 + ["validation"] * 20 + ["test"] * 30,
        {"site": ["A"] * 60 + ["B"] * 40},
        [200] * 60 + [100] * 40,
        [50, 70] * 50,
        [*BRIGHT, *DARK],
    )


def test_a_site_is_compared_with_the_others() -> None:
    a, b = (row for row in two_sites() if row["column"] == "site")
    assert (a["value"], a["images"], a["width"], a["height"]) == ("A", 60, 200.0, 60.0)
    assert (b["value"], b["images"], b["width"], b["height"]) == ("B", 40, 100.0, 60.0)
    assert a["intensity_mean"] == pytest.approx(BRIGHT.mean())
    assert a["intensity_sd"] == pytest.approx(BRIGHT.std(ddof=1))
    pooled = np.sqrt((BRIGHT.var(ddof=1) + DARK.var(ddof=1)) / 2)
    assert a["smd"] == pytest.approx((BRIGHT.mean() - DARK.mean()) / pooled)
    assert b["smd"] == pytest.approx(-float(str(a["smd"])))
    assert a["ks"] == b["ks"] == pytest.approx(ks_2samp(BRIGHT, DARK).statistic)
    assert a["flag"]
    assert b["flag"]


def test_splits_are_compared_with_train() -> None:
    rows = [row for row in two_sites() if row["column"] == "split"]
    assert [row["value"] for row in rows] == ["train", "validation", "test"]
    assert (rows[0]["smd"], rows[0]["ks"], rows[0]["flag"]) == (None, None, False)
    means = np.array([*BRIGHT, *DARK])
    assert rows[2]["ks"] == pytest.approx(ks_2samp(means[70:], means[:50]).statistic)
    assert rows[2]["flag"]


def only(column: Sequence[Value], means: Sequence[float]) -> list[dict[str, object]]:
    ones = [1] * len(means)
    return [row for row in drift(["train"] * len(means), {"it": column}, ones, ones, means) if row["column"] == "it"]


def test_missing_values_are_a_stratum_and_ages_are_not() -> None:
    assert [row["value"] for row in only(["x", None, "x", "y"], [1, 2, 3, 4])] == ["unknown", "x", "y"]
    assert [row["value"] for row in only([1, 2, 2, None], [1, 2, 3, 4])] == ["1", "2", "unknown"]
    assert not only(list(range(40, 60)), [1.0] * 20)
    assert not only([f"text {i}" for i in range(30)], [1.0] * 30)
    assert not only([None, None], [1, 2])


@pytest.mark.parametrize(("number", "shift", "flag"), [(LEAST - 1, 3.0, False), (LEAST, 3.0, True), (400, 0.0, False)])
def test_few_images_are_not_flagged(number: int, shift: float, flag: bool) -> None:
    rng = np.random.default_rng(1)
    means = [*rng.normal(shift, 1, number), *rng.normal(0, 1, 400)]
    assert only(["a"] * number + ["b"] * 400, means)[0]["flag"] == flag


def test_chance_is_seldom_flagged() -> None:
    flags = [
        only(["a"] * 25 + ["b"] * 400, list(np.random.default_rng(seed).normal(size=425)))[0]["flag"]
        for seed in range(100)
    ]
    assert sum(bool(flag) for flag in flags) < 0.1 * 100


@pytest.mark.parametrize(("difference", "flag"), [(FLAGGED + 0.01, True), (FLAGGED - 0.01, False)])
def test_many_images_are_flagged_at_the_limit(difference: float, flag: bool) -> None:
    quantiles = np.linspace(-2, 2, 1000)
    quantiles /= quantiles.std(ddof=1)
    rows = only(["a"] * 1000 + ["b"] * 1000, [*(quantiles + difference), *quantiles])
    assert [row["flag"] for row in rows] == [flag, flag]


def test_nothing_to_compare_with_is_null() -> None:
    assert [row["smd"] for row in only(["x"] * 5, [1, 2, 3, 4, 5])] == [None]
    assert [row["smd"] for row in only(["x", "x", "y", "y"], [1, 1, 2, 2])] == [None, None]
