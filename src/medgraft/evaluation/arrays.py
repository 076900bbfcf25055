"""The array types of the evaluation, and the checks every figure starts with.

Truths are float64 [n, C]: 1 present, 0 absent, NaN unknown. Where classes exclude each other each row has a single 1,
and the label is its place. What is unknown is left out of every figure of its class.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medgraft.errors import UserError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.float64] | NDArray[np.uint16]

# Weights handled at once (8 MB as float64): keeps 2,000 draws of 20,000 images far below 1 GB.
_CHUNK = 2**20


def check_finite(values: Floats, what: str) -> None:
    """Raise `UserError` if `values` holds a NaN or an infinity: every figure made from it would be wrong."""
    broken = np.argwhere(~np.isfinite(values))
    if len(broken):
        first = tuple(int(i) for i in broken[0])
        raise UserError(
            f"{len(broken)} of {values.size} {what} are not finite (the first, at index {first}, is {values[first]}). "
            "The training has probably diverged: lower its learning rate and run the transfer again."
        )


def check_predictions(y: Ints, p: Floats) -> None:
    """Hold labels y [n] in 0..C-1 against predictions p [n, C].

    Raises `ValueError` for shapes or labels that do not fit, `UserError` for predictions that are not finite.
    """
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise ValueError(f"labels {y.shape} and predictions {p.shape} do not fit: they must be [n] and [n, C]")
    check_labels(y, p.shape[1])
    check_finite(p, "predictions")


def check_truths(truths: Floats, of: Floats | Bools, what: str = "predictions") -> None:
    """Hold truths [n, C] against predictions or decisions [n, C].

    Raises `ValueError` for shapes that do not fit and for truths other than 0, 1 and NaN, `UserError` for predictions
    that are not finite.
    """
    if of.ndim != 2 or truths.shape != of.shape:
        raise ValueError(f"truths {truths.shape} and {what} {of.shape} do not fit: both must be [n, C]")
    if not ((truths == 0) | (truths == 1) | np.isnan(truths)).all():
        raise ValueError("truths must be 0, 1 or NaN")
    if of.dtype != np.bool_:
        check_finite(np.asarray(of, dtype=np.float64), what)


def check_labels(y: Ints, classes: int) -> None:
    """Raise `ValueError` unless every label lies in 0..classes-1."""
    if len(y) and (y.min() < 0 or y.max() >= classes):
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {y.min()}..{y.max()}")


def check_binary(outcome: Ints, score: Floats) -> None:
    """Hold outcomes [n] in {0, 1} against scores [n], n >= 1; raises like `check_predictions`."""
    if score.ndim != 1 or outcome.shape != score.shape or not len(score):
        raise ValueError(f"outcomes {outcome.shape} and scores {score.shape} must both be [n] with n >= 1")
    check_labels(outcome, 2)
    check_finite(score, "scores")


def one_hot(labels: Ints, classes: int) -> Floats:
    """[n] in 0..classes-1 → [n, classes] of 0 and 1."""
    return np.asarray(labels[:, None] == np.arange(classes), dtype=np.float64)


def labels_of(truths: Floats) -> Ints:
    """The label [n] of classes that exclude each other; raises `ValueError` unless each row has a single 1, else 0."""
    if not ((truths == 0) | (truths == 1)).all() or not (truths.sum(axis=1) == 1).all():
        raise ValueError("classes that exclude each other need a single 1 in each row of truths, and 0 else")
    return np.asarray(truths.argmax(axis=1), dtype=np.int64)


def over_draws(w: Weights, figure: Callable[[Floats], Floats]) -> Floats:
    """`figure(w)` computed a few draws (rows of w) at a time, to bound memory."""
    if w.ndim != 2 or not len(w):
        raise ValueError(f"weights must be [draws, n] with at least one draw, got {w.shape}")
    rows = max(1, _CHUNK // max(1, w.shape[1]))
    parts = [figure(w[start : start + rows].astype(np.float64)) for start in range(0, len(w), rows)]
    return np.concatenate(parts)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator, NaN where the denominator is 0: the figure is undefined there."""
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
