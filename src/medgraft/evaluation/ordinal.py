"""Grades in order: the decision that keeps their order, and figures by how far off a decision is.

Grades y and decisions d are int64 [n] in 0..C-1; weights w [draws, n] as everywhere. Both figures are over all grades
that are present, not one-vs-rest.
"""

import numpy as np

from medgraft.evaluation.arrays import Floats, Ints, Weights, check_finite, check_labels, one_hot, over_draws, ratio


def median_grade(p: Floats) -> Ints:
    """The decided grade [n] from probabilities [n, C]: how many grades k have P(y > k) >= 0.5.

    It is the median of the predicted distribution, which has the least expected error in grades; the likeliest grade
    may lie at an end while most of the probability lies at the other. Of two medians it is the higher.
    """
    check_finite(p, "probabilities")
    above = p[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # P(y > k), summed from the top grade down
    return np.asarray((above >= 0.5).sum(axis=1), dtype=np.int64)


def quadratic_kappa(y: Ints, d: Ints, w: Weights, classes: int) -> Floats:
    """[draws]: Cohen's kappa with quadratic weights, at most 1 (Cohen 1968, Psychological Bulletin 70:213).

    1 − Σ w (y − d)² / the same sum were decisions independent of grades. NaN where that is 0: every grade and every
    decision is the same.
    """
    _check(y, d, classes)
    grades, decided = one_hot(y, classes), one_hot(d, classes)
    far = np.subtract.outer(np.arange(classes), np.arange(classes)).astype(np.float64) ** 2
    squared = (y - d).astype(np.float64) ** 2

    def figure(w: Floats) -> Floats:
        expected = ((w @ grades @ far) * (w @ decided)).sum(axis=1)
        return 1 - ratio((w @ squared) * w.sum(axis=1), expected)

    return over_draws(w, figure)


def mae(y: Ints, d: Ints, w: Weights, classes: int) -> Floats:
    """[draws]: mean absolute error of the decision, in grades. NaN in a draw without weight."""
    _check(y, d, classes)
    off = np.abs(y - d).astype(np.float64)
    return over_draws(w, lambda w: ratio(w @ off, w.sum(axis=1)))


def _check(y: Ints, d: Ints, classes: int) -> None:
    if y.shape != d.shape or y.ndim != 1:
        raise ValueError(f"grades {y.shape} and decisions {d.shape} must both be [n]")
    check_labels(y, classes)
    check_labels(d, classes)
