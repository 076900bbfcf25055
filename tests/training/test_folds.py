"""Folds: whole patients, fair shares of every class, every training part whole, whatever the order of the rows."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from medgraft.data.labels import truths
from medgraft.errors import UserError
from medgraft.training.folds import folds


def cohort(patients: int, classes: int, seed: int) -> tuple[list[str], NDArray[np.float64]]:
    """Patients with 1 to 4 images, mostly of one class; class 0 is common, the last one rare."""
    rng = np.random.default_rng(seed)
    groups: list[str] = []
    labels: list[int] = []
    shares = np.arange(classes, 0, -1.0) ** 2
    for patient in range(patients):
        own = rng.choice(classes, p=shares / shares.sum())
        for _ in range(rng.integers(1, 5)):
            groups.append(f"p{patient}")
            labels.append(int(own if rng.random() < 0.8 else rng.integers(classes)))
    return groups, truths(labels, classes)


@pytest.mark.parametrize("seed", range(8))
def test_patients_are_whole_and_classes_shared_fairly(seed: int) -> None:
    groups, table = cohort(120, 3, seed)
    found = folds(groups, table, 5, seed)
    assert found.dtype == np.int64
    assert set(found) == set(range(5))
    for name in set(groups):
        assert len(set(found[np.array(groups) == name])) == 1
    counts = np.array([np.append(table[found == fold].sum(axis=0), (found == fold).sum()) for fold in range(5)])
    np.testing.assert_allclose(counts, np.tile(counts.mean(axis=0), (5, 1)), atol=5)  # a patient's images or so


def test_the_order_of_the_rows_does_not_count_but_the_seed_does() -> None:
    groups, table = cohort(60, 4, 1)
    found = folds(groups, table, 5, 3)
    order = list(range(len(groups)))
    random.Random(0).shuffle(order)
    np.testing.assert_array_equal(folds([groups[i] for i in order], table[order], 5, 3), found[order])
    np.testing.assert_array_equal(folds(groups, table, 5, 3), found)
    assert (folds(groups, table, 5, 4) != found).any()


@pytest.mark.parametrize("patients", range(6, 40, 3))
@pytest.mark.parametrize("seed", range(5))
def test_every_training_part_holds_every_class_or_it_is_told(patients: int, seed: int) -> None:
    groups, table = cohort(patients, 3, seed + 100)
    per_patient = [{name for name, row in zip(groups, table, strict=True) if row[c]} for c in range(3)]
    if min(map(len, per_patient)) < 2:
        with pytest.raises(UserError, match="every class in two patients"):
            folds(groups, table, 5, seed)
        return
    found = folds(groups, table, 5, seed)
    assert len(set(found)) == found.max() + 1 >= 2
    for fold in set(found):
        assert (table[found != fold].sum(axis=0) > 0).all()


def test_few_patients_get_few_folds() -> None:
    table = truths([0, 1, 0, 1, 0, 1], 2)
    assert set(folds(list("aabbcc"), table, 5, 0)) == {0, 1, 2}
    # Two patients hold all of class 1: whatever the number of folds, these two are apart.
    found = folds(["a", "b", "c", "d"], truths([0, 0, 1, 1], 2), 5, 0)
    assert found[2] != found[3]
    with pytest.raises(UserError, match=r"two patients .* at least, and there are 1"):
        folds(["a", "a"], truths([0, 1], 2), 5, 0)
    with pytest.raises(UserError, match=r"finds class 1 in 1 \(classes count from 0\): take a larger label fraction"):
        folds(["a", "a", "b"], truths([0, 1, 0], 2), 5, 0)
    with pytest.raises(UserError, match="finds class 2 in 0"):
        folds(["a", "b", "a", "b"], truths([0, 0, 1, 1], 3), 5, 0)


def test_findings_need_not_be_in_every_training_part() -> None:
    rng = np.random.default_rng(2)
    table = (rng.random((80, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(np.float64)
    table[7, 3] = 1  # of one patient alone
    table[rng.random((80, 4)) < 0.3] = np.nan
    groups = [f"p{i // 2}" for i in range(80)]
    found = folds(groups, np.hstack([table, 1 - table]), 5, 0)
    assert set(found) == set(range(5))
    per_fold = np.array([np.nansum(table[found == fold], axis=0) for fold in range(5)])
    assert np.ptp(per_fold[:, 0]) <= 4
    assert np.ptp(per_fold[:, 1]) <= 3
