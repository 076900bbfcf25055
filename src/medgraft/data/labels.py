"""What a label is, for every task: one of several classes, or for each class whether present, absent or unknown."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The index of the one class (binary, multiclass, ordinal), or 1, 0 or None for every class (multilabel).
Label = int | tuple[int | None, ...]


def known(label: Label | None) -> bool:
    """Whether anything is known: an image without any known label is unlabelled."""
    return label is not None and (isinstance(label, int) or any(truth is not None for truth in label))


def truths(labels: Sequence[Label | None], classes: int) -> NDArray[np.float64]:
    """[n, classes]: 1 present, 0 absent, NaN unknown; a label that excludes the others makes them 0."""
    table = np.full((len(labels), classes), np.nan)
    for row, label in zip(table, labels, strict=True):
        if isinstance(label, int):
            row[:] = np.arange(classes) == label
        elif label is not None:
            row[:] = [np.nan if truth is None else truth for truth in label]
    return table


def combined(labels: Sequence[Label | None]) -> Label | None:
    """What several labels of one picture say together, each adding what the others leave unknown.

    Raises `ValueError` where they contradict each other.
    """
    found = [label for label in labels if label is not None]
    classes = {label for label in found if isinstance(label, int)}
    if classes:
        return _only(classes)
    tables = [label for label in found if isinstance(label, tuple)]
    return tuple(_truth(column) for column in zip(*tables, strict=True)) if tables else None


def _truth(column: Sequence[int | None]) -> int | None:
    told = {truth for truth in column if truth is not None}
    return _only(told) if told else None


def _only(values: set[int]) -> int:
    if len(values) > 1:
        raise ValueError("the labels contradict each other")
    return next(iter(values))
