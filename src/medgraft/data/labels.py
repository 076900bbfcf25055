"""What a label is, for every task: one of several classes, or for each class whether it is present, absent or unknown."""

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


def disagree(a: Label | None, b: Label | None) -> bool:
    """Whether two labels contradict each other; what is unknown in one contradicts nothing."""
    if a is None or b is None:
        return False
    if isinstance(a, int) or isinstance(b, int):
        return a != b
    return any(x is not None and y is not None and x != y for x, y in zip(a, b, strict=True))
