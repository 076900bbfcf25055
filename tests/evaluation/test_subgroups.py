"""Strata: what is cut into bands, what is withheld, and figures that are those of the rows alone."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tests.evaluation.made_up import judge, read

from medgraft.evaluation.strata import in_order, strata
from medgraft.evaluation.subgroups import subgroups


def own(values: Sequence[object]) -> list[str]:
    """The stratum of each value, each its own unit."""
    return strata(pl.Series(values, strict=False), np.arange(len(values)))


def test_texts_and_few_numbers_are_strata_by_themselves() -> None:
    assert own(["f", None, "m", "f"]) == ["f", "unknown", "m", "f"]
    assert own([3, 1, None, 2]) == ["3", "1", "unknown", "2"]
    assert own([1.5, 2.0, None]) == ["1.5", "2", "unknown"]
    values = pl.Series([10, 9, None, 9])
    assert in_order(own(values.to_list()), values) == ["9", "10", "unknown"]


def test_many_numbers_are_cut_into_bands() -> None:
    ages = [18, 39, 40, 59, 60, 79, 80, 91, None]
    assert own(ages) == ["0–19", "20–39", "40–59", "40–59", "60–79", "60–79", "80–99", "80–99", "unknown"]
    values = pl.Series([91, 18, 40, 41, 42, 43, 44, 100])
    assert in_order(own(values.to_list()), values) == ["0–19", "40–59", "80–99", "100–119"]
    assert own([0, 1, 2, 3, 4, 5, 6]) == ["0–1", "0–1", "2–3", "2–3", "4–5", "4–5", "6–7"]
    assert own([55.0, 56, 57, 58, 59, 60, 61])[0] == "54–55"
    tenths = own([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
    assert tenths == ["0–<0.2", "0–<0.2", "0.2–<0.4", "0.2–<0.4", "0.4–<0.6", "0.4–<0.6", "0.6–<0.8", "1–<1.2"]
    assert own([-3, -2, -1, 0, 1, 2, 3])[:2] == ["-4–-3", "-2–-1"]


@pytest.mark.parametrize("seed", range(20))
def test_bands_hold_their_numbers_and_are_at_most_six(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.unique(np.round(rng.normal(size=40) * 10.0 ** rng.integers(-3, 5), 4))
    names = own(numbers.tolist())
    assert 2 <= len(set(names)) <= 6
    for name in set(names):
        low, high = (float(end) for end in name.split("–<"))
        inside = numbers[np.array(names) == name]
        assert low - 1e-9 <= inside.min() <= inside.max() < high + 1e-9


def test_a_unit_of_several_strata_is_mixed() -> None:
    values = pl.Series(["front", "side", "front", "front", None])
    assert strata(values, np.array([0, 0, 1, 1, -1])) == ["mixed", "front"]
    assert in_order(["mixed", "front"], values) == ["front", "mixed"]


@pytest.mark.parametrize("unit", ["image", "group"])
def test_figures_are_those_of_the_stratum_alone(unit: str) -> None:
    r = read(judge("multilabel", unit=unit), patients=120)
    found = {(s["column"], s["value"]): s for s in subgroups(r, ["sex", "age"])}
    assert list(found)[:3] == [("sex", "f"), ("sex", "m"), ("sex", "unknown")]
    assert sum(s["images"] for (column, _), s in found.items() if column == "age") == 240
    stratum = found["sex", "m"]
    rows = r.part.rows
    assert (stratum["images"], stratum["groups"]) == (80, 40)
    assert stratum["withheld"] is None
    of_unit = np.array(rows["sex"].to_list())[np.unique(r.part.unit, return_index=True)[1]]
    for label, figures in stratum["figures"].items():
        c = r.part.by.classes.index(label)
        inside = (of_unit == "m") & ~np.isnan(r.part.truths[:, c])
        truth, p = r.part.truths[inside, c], r.p[inside, c]
        assert figures["auroc"]["estimate"] == pytest.approx(roc_auc_score(truth, p))
        assert figures["sensitivity"]["estimate"] == pytest.approx((p[truth == 1] >= r.readout.specific[c]).mean())
        assert figures["specificity"]["estimate"] == pytest.approx((p[truth == 0] < r.readout.specific[c]).mean())
        assert figures["auroc"]["low"] < figures["auroc"]["estimate"] < figures["auroc"]["high"]


def test_small_strata_are_withheld_and_say_why() -> None:
    r = read(judge("binary"), patients=40)
    positive = np.unique(r.part.groups[r.part.truths[:, 1] == 1])
    few = np.isin(r.part.groups, positive[:9]).tolist()
    part = r.part.rows.with_columns(site=pl.Series(["small" if f else "large" for f in few]))
    object.__setattr__(r.part, "rows", part)
    large, small = subgroups(r, ["site"])
    assert (large["value"], large["scored"]) == ("large", ["c1"])
    assert (small["scored"], small["figures"]) == ([], {})
    assert small["withheld"].startswith("9 positive and ")
    assert small["images"] == 18
    many = read(judge("multilabel"), patients=12)
    assert subgroups(many, ["sex"])[0]["withheld"] == "fewer than 10 positive or 10 negative patients of every class"
