"""Operating points, chosen on validation. The rule everywhere: positive is score >= threshold."""

import numpy as np

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats, Ints, check_binary, check_finite


def threshold_at_specificity(outcome: Ints, score: Floats, specificity: float) -> float:
    """The smallest observed score at which, as threshold, the specificity reaches `specificity` in [0, 1].

    Outcomes int64 [n] in {0, 1}, scores float64 [n]. If no observed score suffices, the next float64 above the
    largest one: then nothing is called positive. Raises `UserError` without negatives.
    """
    thresholds, _, true_negatives = _curve(outcome, score)
    negatives = true_negatives[-1]
    if not negatives:
        raise UserError(
            f"No threshold has a specificity of {specificity}: none of the {len(outcome)} validation cases is "
            "negative. Add negative cases to the validation split."
        )
    # Division, because it rounds 7 / 100 to the float that is written 0.07; 0.07 × 100 is more than 7.
    return float(thresholds[np.argmax(true_negatives / negatives >= specificity)])


def threshold_at_sensitivity(outcome: Ints, score: Floats, sensitivity: float) -> float:
    """The largest observed score at which, as threshold, the sensitivity reaches `sensitivity` in [0, 1].

    Arguments as for `threshold_at_specificity`. Raises `UserError` without positives.
    """
    thresholds, true_positives, _ = _curve(outcome, score)
    positives = true_positives[0]
    if not positives:
        raise UserError(
            f"No threshold has a sensitivity of {sensitivity}: none of the {len(outcome)} validation cases is "
            "positive. Add positive cases to the validation split."
        )
    reached = (true_positives / positives >= sensitivity)[:-1]  # without the last: above all observed scores
    return float(thresholds[np.flatnonzero(reached)[-1]])


def youden_threshold(outcome: Ints, score: Floats) -> float:
    """The threshold that maximises sensitivity + specificity − 1 (Youden 1950); of equals the more sensitive one.

    Candidates and arguments as for `threshold_at_specificity`. Raises `UserError` unless both outcomes are present.
    """
    thresholds, true_positives, true_negatives = _curve(outcome, score)
    positives, negatives = true_positives[0], true_negatives[-1]
    if not positives or not negatives:
        raise UserError(
            f"No decision threshold can be chosen: validation has {positives} positive and {negatives} negative "
            "cases. Both are needed: add cases or change the split."
        )
    # In whole numbers, so that equals are equal; the first of them is the lowest threshold, the most sensitive.
    return float(thresholds[np.argmax(true_positives * negatives + true_negatives * positives)])


def decide(p: Floats, threshold: float | None) -> Ints:
    """Decisions int64 [n] from probabilities [n, C]: the likeliest class (of equals the first).

    A binary task may give a threshold for class 1 instead. Raises `ValueError` for a threshold with more classes.
    """
    check_finite(p, "probabilities")
    if threshold is None:
        return np.asarray(p.argmax(axis=1), dtype=np.int64)
    if p.shape[1] != 2:
        raise ValueError(f"a threshold decides between 2 classes, not {p.shape[1]}")
    return np.asarray(p[:, 1] >= threshold, dtype=np.int64)


def _curve(outcome: Ints, score: Floats) -> tuple[Floats, Ints, Ints]:
    """Every threshold that differs, ascending, and the true positives and true negatives at each."""
    check_binary(outcome, score)
    observed = np.unique(score)
    thresholds = np.append(observed, np.nextafter(observed[-1], np.inf))
    positive, negative = np.sort(score[outcome == 1]), np.sort(score[outcome == 0])
    true_positives = len(positive) - np.searchsorted(positive, thresholds, side="left")
    true_negatives = np.searchsorted(negative, thresholds, side="left")
    return thresholds, true_positives.astype(np.int64), true_negatives.astype(np.int64)
