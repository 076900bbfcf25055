"""Which classes figures may be computed for: fixed when the data is split, from counts of patients alone."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_GROUPS = 10


def scored_classes(
    groups: Mapping[str, Sequence[str]], truths: Mapping[str, NDArray[np.float64]], classes: Sequence[str], binary: bool
) -> tuple[list[str], dict[str, str]]:
    """Classes with at least 10 positive and 10 negative groups in validation and in test, and why others lack them.

    By split, `groups` [n] and `truths` [n, classes] (1, 0, NaN for unknown) of its images; a split that is not given is
    not asked for. A binary task is scored by its positive (second) class alone.
    """
    scored, unscored = [], {}
    for index, name in enumerate(classes):
        if binary and index == 0:
            continue
        short = [
            f"{count} {sign} patients in {split}"
            for split in groups
            for sign, count in _counts(groups[split], truths[split][:, index]).items()
            if count < MIN_GROUPS
        ]
        if short:
            unscored[name] = f"{', '.join(short)} (fewer than {MIN_GROUPS})"
        else:
            scored.append(name)
    return scored, unscored


def _counts(groups: Sequence[str], truth: NDArray[np.float64]) -> dict[str, int]:
    of = np.asarray(groups, dtype=object)
    return {sign: len(set(of[truth == value])) for sign, value in (("positive", 1), ("negative", 0))}
