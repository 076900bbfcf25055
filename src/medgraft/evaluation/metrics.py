"""Classification metrics under many weightings at once, so that one call gives an estimate or a whole bootstrap.

Arrays: truths [n, C] of 1, 0 and NaN (unknown); probabilities p float64 [n, C]; decisions `called` bool [n, C], the
classes that were decided for; non-negative weights w [draws, n] (a row of ones is the plain estimate). Class figures
are one-vs-rest, [draws, C], in [0, 1], each over the rows whose truth for the class is known.
Equal to scikit-learn's with `sample_weight`, also under ties, except that what a draw cannot tell is NaN, never 0 or 1.
"""

from collections.abc import Callable, Sequence

import numpy as np

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Bools, Floats, Ints, Weights, check_truths, over_draws, ratio


def auroc(truths: Floats, p: Floats, w: Weights) -> Floats:
    """Area under the ROC curve, ties counted half (Hanley & McNeil 1982). NaN without positives or negatives."""
    return _by_class(_auroc, truths, p, w)


def auprc(truths: Floats, p: Floats, w: Weights) -> Floats:
    """Average precision: the precision-recall step function, not interpolated (Davis & Goadrich 2006).

    NaN without positives or negatives.
    """
    return _by_class(_auprc, truths, p, w)


def f1(truths: Floats, called: Bools, w: Weights) -> Floats:
    """F1 = 2 TP / (positives + called). NaN without positives."""
    positives, hits = _counted(truths == 1, called, truths)
    both = positives + (called & ~np.isnan(truths))

    def figure(w: Floats) -> Floats:
        value = ratio(2 * (w @ hits), w @ both)
        value[w @ positives == 0] = np.nan
        return value

    return over_draws(w, figure)


def recall(truths: Floats, called: Bools, w: Weights) -> Floats:
    """Sensitivity: the share of a class's positives that were called. NaN without positives."""
    positives, hits = _counted(truths == 1, called, truths)
    return over_draws(w, lambda w: ratio(w @ hits, w @ positives))


def specificity(truths: Floats, called: Bools, w: Weights) -> Floats:
    """The share of a class's negatives that were not called. NaN without negatives."""
    negatives, hits = _counted(truths == 0, ~called, truths)
    return over_draws(w, lambda w: ratio(w @ hits, w @ negatives))


def sensitivity_at(truths: Floats, p: Floats, thresholds: Floats, w: Weights) -> Floats:
    """The share of positives with p >= thresholds [C]. NaN without positives, or where there is no threshold (NaN)."""
    check_truths(truths, p)
    return with_threshold(thresholds, recall(truths, p >= thresholds, w))


def specificity_at(truths: Floats, p: Floats, thresholds: Floats, w: Weights) -> Floats:
    """The share of negatives with p < thresholds [C]. NaN without negatives, or where there is no threshold (NaN)."""
    check_truths(truths, p)
    return with_threshold(thresholds, specificity(truths, p >= thresholds, w))


def balanced_accuracy(truths: Floats, called: Bools, w: Weights, scored: Sequence[int]) -> Floats:
    """[draws]: mean recall over classes that exclude each other (for two give both). NaN if one has no positives."""
    return macro(recall(truths, called, w), scored)


def label_balanced_accuracy(truths: Floats, called: Bools, w: Weights) -> Floats:
    """(sensitivity + specificity) / 2 of each label by itself. NaN without positives or negatives."""
    return (recall(truths, called, w) + specificity(truths, called, w)) / 2


def macro(values: Floats, scored: Sequence[int]) -> Floats:
    """[draws, C] → [draws]: the mean over the fixed classes `scored`, NaN where one of them is undefined.

    The set does not depend on the draw: a mean over whichever classes a draw happens to hold would be another figure
    in every draw. A binary task is scored by its positive class alone, scored = [1].
    Raises `UserError` if no class is scored.
    """
    if not len(scored):
        raise UserError(
            "No class can be scored: none has enough positive and negative patients in validation and test. "
            "Add labelled patients, or merge rare classes."
        )
    mean: Floats = values[:, list(scored)].mean(axis=1)
    return mean


# A metric knows the scores of positives and negatives, and gives a figure of their weights, each [draws, its number].
_Figure = Callable[[Floats, Floats], Floats]
_Metric = Callable[[Floats, Floats], _Figure]


def _by_class(metric: _Metric, truths: Floats, p: Floats, w: Weights) -> Floats:
    check_truths(truths, p)
    return np.stack([_of_class(metric, truths[:, c], p[:, c], w) for c in range(p.shape[1])], axis=1)


def _of_class(metric: _Metric, truth: Floats, score: Floats, w: Weights) -> Floats:
    descending = np.argsort(-score, kind="stable")
    positive, negative = (descending[truth[descending] == value] for value in (1, 0))
    figure = metric(score[positive], score[negative])
    return over_draws(w, lambda w: figure(w[:, positive], w[:, negative]))


def _auroc(positive: Floats, negative: Floats) -> _Figure:
    """Scores, descending."""
    above, above_or_tied = _above(positive, negative), _above_or_tied(positive, negative)

    def figure(wp: Floats, wn: Floats) -> Floats:
        first = _cumulative(wp)
        won = ((first[:, above] + first[:, above_or_tied]) * wn).sum(axis=1) / 2
        return ratio(won, wp.sum(axis=1) * wn.sum(axis=1))

    return figure


def _auprc(positive: Floats, negative: Floats) -> _Figure:
    """Scores, descending.

    The sum over thresholds of (step in recall) × precision is a sum over positives, each weighing the precision at
    its own score as threshold; the thresholds in between make no step.
    """
    positives_called, negatives_called = _above_or_tied(positive, positive), _above_or_tied(negative, positive)

    def figure(wp: Floats, wn: Floats) -> Floats:
        true, false = _cumulative(wp)[:, positives_called], _cumulative(wn)[:, negatives_called]
        # Where nothing is called, the positive has weight 0 itself and adds 0, whatever the precision.
        precision = np.divide(true, true + false, out=np.zeros(true.shape), where=true > 0)
        value = ratio((wp * precision).sum(axis=1), wp.sum(axis=1))
        value[wn.sum(axis=1) == 0] = np.nan
        return value

    return figure


def _above(descending: Floats, scores: Floats) -> Ints:
    """How many of the descending values are > each of `scores`."""
    return np.searchsorted(-descending, -scores, side="left")


def _above_or_tied(descending: Floats, scores: Floats) -> Ints:
    """How many of the descending values are >= each of `scores`."""
    return np.searchsorted(-descending, -scores, side="right")


def _cumulative(w: Floats) -> Floats:
    """[draws, n] → [draws, n + 1]: the weight of the first k columns, k = 0..n."""
    sums = np.zeros((w.shape[0], w.shape[1] + 1))
    np.cumsum(w, axis=1, out=sums[:, 1:])
    return sums


def _counted(of: Bools, as_hoped: Bools, truths: Floats) -> tuple[Floats, Floats]:
    """Rows that count, and those of them that went as hoped, as float64 [n, C]."""
    check_truths(truths, as_hoped, "decisions")
    return of.astype(np.float64), (of & as_hoped).astype(np.float64)


def with_threshold(thresholds: Floats, values: Floats) -> Floats:
    """Figures [draws, C], NaN for classes without a threshold to be called by (NaN, of thresholds [C])."""
    return np.where(np.isnan(thresholds), np.nan, values)
