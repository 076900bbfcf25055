"""Intervals of transferability scores over patients: whole, honest in width, withheld where nothing can be told."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.training.telling import some

from medgraft.training.transferability import Labels, interval
from medgraft.training.transferability_scores import (
    h_score,
    logme,
    nce,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NAN = float("nan")


def test_the_standard_error_of_a_mean_is_that_of_its_patients() -> None:
    """A score that is a mean over patients of equal size: the jackknife is exact, at the textbook's t interval."""
    values = np.random.default_rng(5).standard_normal(12)
    inputs, groups = np.repeat(values, 3)[:, None], np.repeat(np.arange(12), 3)
    labels = np.tile([0, 1, 1], 12)
    found = interval(lambda x, _: float(x.mean()), inputs, labels, groups, blocks=100, seed=1)
    assert found.se == pytest.approx(values.std(ddof=1) / np.sqrt(12))
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(2.200985 * values.std(ddof=1) / np.sqrt(12))


def test_patients_stay_whole_and_neither_their_names_nor_the_order_matter() -> None:
    features, labels = some(60, 5)
    groups = np.repeat(np.arange(20), 3)
    left_out: list[int] = []

    def watching(x: Floats, y: Labels) -> float:
        left_out.append(60 - len(x))
        return h_score(x, y)

    found = interval(watching, features, labels, groups, blocks=10, seed=2)
    assert left_out == [0] + [6] * 10
    order = np.random.default_rng(6).permutation(60)
    again = interval(h_score, features[order], labels[order], np.array([f"p{g:02}" for g in groups])[order], 10, 2)
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    assert interval(h_score, features, labels, groups, 10, 3) != found


def test_an_interval_is_withheld_where_a_class_is_one_patients_or_nothing_moves() -> None:
    features, labels = some(60, 5, classes=2)
    labels[:3] = 2
    groups = np.repeat(np.arange(20), 3)
    found = interval(h_score, features, labels, groups, blocks=20, seed=0)
    assert found.estimate == h_score(features, labels)
    assert (found.low, found.high, found.se) == (None, None, None)
    certain = interval(nce, np.eye(3)[labels], np.minimum(labels, 1), groups, blocks=20, seed=0)
    assert (certain.estimate, certain.low) == (0, None)
    truths = np.full((60, 2), NAN)
    truths[:, 0] = labels == 1
    truths[:3, 1] = [0, 1, 1]  # a label known of one patient
    assert interval(h_score, features, truths, groups, blocks=20, seed=0).low is None


def test_intervals_hold_the_mean_score_where_a_bootstrap_would_not() -> None:
    """More features than images: where patients are drawn with replacement, LogME is another figure."""
    groups = np.repeat(np.arange(30), 2)
    found, copied = [], []
    for study in range(20):
        rng = np.random.default_rng(study)
        labels = (rng.random(30) < 0.4).astype(np.int64)[groups]
        features = rng.standard_normal((60, 150)) + 0.3 * np.outer(2 * labels - 1, np.linspace(1, 0, 150))
        found.append(interval(logme, features, labels, groups, blocks=10, seed=study))
        drawn = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(30, size=30)])
        copied.append(logme(features[drawn], labels[drawn]))
    bounds = [(f.low, f.high) for f in found if f.low is not None and f.high is not None]
    assert len(bounds) == 20
    mean = np.mean([f.estimate for f in found])
    assert sum(low < mean < high for low, high in bounds) >= 17  # of a 95 % interval 17 or more, in 98 % of tests
    assert min(copied) > max(high for _, high in bounds)
