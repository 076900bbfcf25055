"""Splits and label fractions by whole patients: stratified, deterministic, independent of the rows' order.

All randomness is a hash of (seed, raw group id), so that a split depends on nothing but its patients.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medgraft.seeds import unit

Counts = Mapping[str, NDArray[np.float64]]


def label_counts(groups: Sequence[str], truths: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """How many images of each class every group has, and, last, how many images: [classes + 1].

    `truths` [n, classes]: 1 present, 0 absent, NaN unknown.
    """
    counts: dict[str, NDArray[np.float64]] = {}
    for group, row in zip(groups, np.nan_to_num(truths), strict=True):
        counts.setdefault(group, np.zeros(truths.shape[1] + 1))
        counts[group] += np.append(row, 1)
    return counts


def divide(counts: Counts, shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give every group to a split so that each split gets its share of every class and of all images.

    In an order hashed from the seed, a group goes where the squared distance to the target counts, as shares of
    each class, falls most; the count of all images weighs as much as all classes together. All classes of a group
    count, not only its first label, and large groups are not placed first, which would send them all to train.
    `shares` need not add up to one.
    """
    names = list(shares)
    if not counts:
        return {}
    total = np.sum(list(counts.values()), axis=0)
    weights = np.append(np.ones(len(total) - 1), len(total) - 1)
    shares_of_all = np.array([shares[name] for name in names]) / sum(shares.values())
    targets = shares_of_all[:, None] * total[None, :]
    held = np.zeros_like(targets)
    chosen: dict[str, str] = {}
    for group in sorted(counts, key=lambda g: (unit("split", seed, g), g)):
        vector = counts[group]
        present = vector > 0
        before = ((held - targets)[:, present] / total[present]) ** 2
        after = ((held + vector - targets)[:, present] / total[present]) ** 2
        gain = (before - after) @ weights[present]
        best = int(np.argmax(gain))
        held[best] += vector
        chosen[group] = names[best]
    return chosen


def nested_order(counts: Counts, seed: int) -> list[str]:
    """Groups in an order whose every beginning is stratified, so that label fractions nest.

    A group's stratum is its rarest class, groups without any are one, too; strata are shuffled by hash and interleaved
    by relative rank, each stratum's first group at the front, so that even a small fraction holds every class.
    """
    total = np.sum(list(counts.values()), axis=0)
    strata: dict[int, list[str]] = {}
    for group, vector in counts.items():
        present = np.flatnonzero(vector)  # the count of images is last: it is the rarest only where it is alone
        strata.setdefault(int(present[np.argmin(total[present])]), []).append(group)
    ranked: list[tuple[float, float, str]] = []
    for members in strata.values():
        members.sort(key=lambda g: (unit("fraction", seed, g), g))
        ranked += [(i / len(members), unit("tie", seed, g), g) for i, g in enumerate(members)]
    return [group for _, _, group in sorted(ranked)]


def take_fraction(counts: Counts, fraction: float, seed: int) -> set[str]:
    """The first groups of the nested order that together hold `fraction` of the images (at least one group)."""
    order = nested_order(counts, seed)
    if fraction >= 1:
        return set(order)
    sizes = np.cumsum([counts[group][-1] for group in order])
    needed = fraction * sizes[-1]
    return set(order[: int(np.searchsorted(sizes, needed - 1e-9)) + 1])
