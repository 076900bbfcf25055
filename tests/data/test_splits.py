"""Whole groups, near the target shares, whatever the order of the rows; label fractions nest."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.labels import truths
from medgraft.data.splits import Counts, divide, label_counts, nested_order, take_fraction

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def _cohort(groups: int, classes: int, largest: int, seed: int) -> tuple[list[str], list[int]]:
    """Rows of groups of uneven sizes, each with mostly one class."""
    rng = np.random.default_rng(seed)
    names: list[str] = []
    labels: list[int] = []
    for index in range(groups):
        size, own = rng.integers(1, largest + 1), rng.integers(classes)
        names += [f"p{index}"] * size
        labels += [int(own if rng.random() < 0.8 else rng.integers(classes)) for _ in range(size)]
    return names, labels


def _counts(groups: Sequence[str], labels: Sequence[int], classes: int) -> Counts:
    return label_counts(groups, truths(labels, classes))


def _total(counts: Counts, groups: set[str]) -> np.ndarray:
    return np.sum([counts[g] for g in groups], axis=0) if groups else np.zeros(len(next(iter(counts.values()))))


cohorts = st.builds(_cohort, st.integers(20, 90), st.integers(2, 5), st.integers(1, 8), st.integers(0, 2**32 - 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cohorts, st.integers(0, 1000), st.randoms())
def test_every_group_is_in_one_split_whatever_the_order(
    cohort: tuple[list[str], list[int]], seed: int, random: np.random.Generator
) -> None:
    classes = max(cohort[1]) + 1
    counts = _counts(*cohort, classes)
    chosen = divide(counts, SHARES, seed)
    assert set(chosen) == set(cohort[0])
    assert set(chosen.values()) <= set(SHARES)
    rows = list(zip(*cohort, strict=True))
    random.shuffle(rows)
    groups, labels = zip(*rows, strict=True)
    assert divide(_counts(groups, labels, classes), SHARES, seed) == chosen


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(20, 90), st.integers(1, 8), st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_shares_are_within_one_group_of_their_target(groups: int, largest: int, draw: int, seed: int) -> None:
    cohort = _cohort(groups, 2, largest, draw)
    counts = _counts(*cohort, 2)
    chosen = divide(counts, SHARES, seed)
    total = _total(counts, set(counts))
    sizes = [c[-1] for c in counts.values()]
    for name, share in SHARES.items():
        held = _total(counts, {g for g, split in chosen.items() if split == name})
        assert abs(held[-1] - share * total[-1]) <= max(sizes)
        assert (np.abs(held - share * total) <= 1.5 * np.max(list(counts.values()), axis=0)).all()


def test_single_images_are_divided_exactly() -> None:
    counts = _counts([f"p{i}" for i in range(1000)], [int(i % 10 == 0) for i in range(1000)], 2)
    chosen = divide(counts, SHARES, 0)
    for name, share in SHARES.items():
        held = _total(counts, {g for g, split in chosen.items() if split == name})
        assert np.abs(held - share * np.array([900, 100, 1000])).max() <= 1


def test_a_rare_class_that_is_never_a_groups_first_label_is_stratified() -> None:
    groups = [f"p{i}" for i in range(50) for _ in range(5)]
    labels = [1 if i < 10 and k == 4 else 0 for i in range(50) for k in range(5)]  # the last image of 10 patients
    counts = _counts(groups, labels, 2)
    for seed in range(20):
        chosen = divide(counts, SHARES, seed)
        held = {n: _total(counts, {g for g, s in chosen.items() if s == n})[1] for n in SHARES}
        assert 5 <= held["train"] <= 7
        assert 1 <= held["validation"] <= 3
        assert 1 <= held["test"] <= 3


def test_seeds_give_other_divisions_and_shares_need_no_sum() -> None:
    counts = _counts(*_cohort(60, 2, 4, 1), 2)
    assert divide(counts, SHARES, 0) != divide(counts, SHARES, 1)
    assert divide(counts, {name: 2 * share for name, share in SHARES.items()}, 0) == divide(counts, SHARES, 0)
    assert divide({}, SHARES, 0) == {}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(cohorts, st.integers(0, 1000), st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5))
def test_fractions_nest_and_are_no_larger_than_needed(
    cohort: tuple[list[str], list[int]], seed: int, fractions: list[float]
) -> None:
    counts = _counts(*cohort, max(cohort[1]) + 1)
    fractions = sorted(fractions)
    taken = [take_fraction(counts, fraction, seed) for fraction in fractions]
    for smaller, larger in pairwise(taken):
        assert smaller <= larger
    order = nested_order(counts, seed)
    assert sorted(order) == sorted(counts)
    for fraction, groups in zip(fractions, taken, strict=True):
        assert groups == set(order[: len(groups)])
        needed = fraction * len(cohort[0])
        last = order[len(groups) - 1]
        assert _total(counts, groups)[-1] >= needed - 1e-6
        assert _total(counts, groups - {last})[-1] < needed
    assert take_fraction(counts, 1.0, seed) == set(counts)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_smallest_fraction_holds_every_class(classes: int) -> None:
    """Uneven classes, the rarest 5 %: as soon as there is room for a group of each, each is there."""
    groups = [f"p{i}" for i in range(400)]
    labels = [min(int(i % 20), classes - 1) if i % 20 < classes - 1 else classes - 1 for i in range(400)]
    counts = _counts(groups, labels, classes)
    for seed in range(20):
        few = take_fraction(counts, classes / 400, seed)
        assert len(few) == classes
        assert (_total(counts, few) > 0).all()


def test_fractions_are_stratified() -> None:
    counts = _counts([f"p{i}" for i in range(400)], [int(i % 5 == 0) for i in range(400)], 2)
    for seed in range(10):
        for fraction in (0.1, 0.25, 0.5):
            held = _total(counts, take_fraction(counts, fraction, seed))
            assert np.abs(held - fraction * np.array([320, 80, 400])).max() <= 2


def test_fractions_of_another_seed_are_other_groups() -> None:
    counts = _counts(*_cohort(60, 2, 4, 1), 2)
    assert take_fraction(counts, 0.3, 0) != take_fraction(counts, 0.3, 1)


def test_findings_that_occur_together_are_each_divided_by_their_share() -> None:
    rng = np.random.default_rng(0)
    table = (rng.random((600, 3)) < [0.4, 0.1, 0.05]).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    counts = label_counts([f"p{i // 2}" for i in range(600)], table)
    assert sum(c[-1] for c in counts.values()) == 600
    chosen = divide(counts, SHARES, 0)
    total = _total(counts, set(counts))
    np.testing.assert_array_equal(total[:-1], np.nansum(table, axis=0))
    for name, share in SHARES.items():
        held = _total(counts, {g for g, split in chosen.items() if split == name})
        assert np.abs(held - share * total).max() <= 3
    few = take_fraction(counts, 0.02, 0)
    assert (_total(counts, few) > 0).all()
