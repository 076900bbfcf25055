"""Folds of a cross-validation by whole patients: stratified, deterministic, independent of the rows' order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medgraft.data.splits import divide, label_counts
from medgraft.errors import UserError
from medgraft.seeds import derive


def folds(groups: Sequence[str], truths: NDArray[np.float64], count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, int64 [n] in 0..k-1, k at most `count`: rows of one group share theirs, no fold is empty.

    `truths` [n, C]: 1 present, 0 absent, NaN unknown; folds get equal shares of every class and of all images, as near
    as whole groups allow. Where classes exclude each other (a single 1 in every row), all folds but one, whichever
    that is, hold every class. k is the largest number for which all this is so: a label fraction may hold few patients.
    Raises `UserError` if that is below two.
    """
    counts = label_counts(groups, truths)
    if len(counts) < 2:
        raise UserError(
            f"cross-validation needs two patients (groups) at least, and there are {len(counts)}: "
            "take a larger label fraction, or add patients"
        )
    exclusive = bool((truths.sum(axis=1) == 1).all())
    names, rows = np.unique(np.asarray(groups), return_inverse=True)
    if exclusive:
        _check_classes(np.array([counts[str(name)][:-1] for name in names]))
    for k in range(min(count, len(counts)), 1, -1):
        # A seed of its own: from the split's, folds would be correlated with the split that these rows come from.
        chosen = divide(counts, {str(fold): 1.0 for fold in range(k)}, derive("folds", seed))
        assigned = np.array([int(chosen[str(name)]) for name in names])[rows]
        if _hold_every_class(truths, assigned, k) if exclusive else len(np.unique(assigned)) == k:
            return assigned
    raise UserError(
        f"no division of {len(counts)} patients (groups) into two folds leaves every class in both: "
        "take a larger label fraction, add patients, or merge rare classes"
    )


def _check_classes(images: NDArray[np.float64]) -> None:
    """`images` [groups, C]."""
    patients = (images > 0).sum(axis=0)
    if (patients < 2).any():
        rare = ", ".join(f"class {c} in {patients[c]}" for c in np.flatnonzero(patients < 2))
        raise UserError(
            f"cross-validation needs every class in two patients (groups) at least, and finds {rare} "
            "(classes count from 0): take a larger label fraction, add patients, or merge rare classes"
        )


def _hold_every_class(truths: NDArray[np.float64], assigned: NDArray[np.int64], k: int) -> bool:
    return all((truths[assigned != fold] > 0).any(axis=0).all() and (assigned == fold).any() for fold in range(k))
