"""Do predicted probabilities mean what they say? Fitted on validation only; reported on test.

"Outcome" is binary, int64 [n] in {0, 1}, with p float64 [n] the probability of 1: one class against the rest,
`top_label`, whether the likeliest class was right, or the findings of a multilabel task put together (`pooled`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from scipy.special import softmax as scipy_softmax

from medgraft.errors import UserError
from medgraft.evaluation.arrays import (
    Floats,
    Ints,
    Weights,
    check_binary,
    check_predictions,
    one_hot,
    over_draws,
    ratio,
)
from medgraft.evaluation.uncertainty import Resampling

TEMPERATURES = (0.05, 20.0)
BINS = 15  # of an expected calibration error
# Probabilities are kept this far from 0 and 1 under a logarithm (scikit-learn's log_loss does the same).
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class ReliabilityBin:
    """Mean prediction, observed share of outcome 1 with its 95 % band (None: not asked for, or withheld), images."""

    predicted: float
    observed: float
    count: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Recalibration:
    """How outcomes follow logit(p): ideally with slope 1 and intercept 0.

    A slope below 1 means predictions that are too extreme, an intercept below 0 predictions that are too high. The
    intercept is "calibration in the large", at slope 1 (Van Calster et al. 2019, BMC Medicine 17:230). None where the
    data has no finite answer: one outcome only, or, for the slope, outcomes that p separates or a constant p.
    """

    slope: float | None
    intercept: float | None


def sigmoid(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logits of findings that do not exclude each other → probabilities, at a temperature > 0."""
    probabilities: Floats = expit(logits / temperature)
    return probabilities


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logits [n, C] → probabilities [n, C] at a temperature > 0."""
    probabilities: Floats = scipy_softmax(logits / temperature, axis=1)
    return probabilities


def fit_temperature(logits: Floats, y: Ints) -> float:
    """The temperature in [0.05, 20] of the least negative log-likelihood (Guo et al. 2017, section 4.2).

    The likelihood is convex in 1 / T, so its derivative, mean(expected logit − logit of the label), has one sign
    change, which is found exactly; beyond the range, the nearer end. Where every label has the largest logit the
    likelihood has no optimum, and sharpening to a bound would tie and ruin what is right: T is 1 then. Logits without
    any contrast give 1, too.
    Raises `UserError` without data and for logits that are not finite.
    """
    check_predictions(y, logits)
    if not len(y):
        raise UserError("A temperature cannot be fitted: validation has no labelled image. Add some to the split.")
    # Less the label's logit first: a sum of differences keeps its sign where a difference of sums would be noise.
    contrast = logits - logits[np.arange(len(y)), y][:, None]

    def slope(log_temperature: float) -> float:
        return float((softmax(contrast, np.exp(log_temperature)) * contrast).sum(axis=1).mean())

    coldest, hottest = np.log(TEMPERATURES)
    if contrast.max() <= 0:  # every label has the largest logit: no finite optimum, so nothing is learned of T
        return 1.0
    if slope(coldest) <= 0:
        return TEMPERATURES[0]
    if slope(hottest) >= 0:  # still gains by less
        return TEMPERATURES[1]
    return float(np.exp(brentq(slope, coldest, hottest, xtol=1e-12)))


def temperature_cautions(temperature: float) -> list[str]:
    """A sentence where the temperature that was fitted on validation is an end of its range."""
    if temperature not in TEMPERATURES:
        return []
    return [
        f"The temperature is at the edge of its range ({temperature:g}): the probabilities are not calibrated, and a "
        "model that is this sure or this unsure of everything has hardly learned."
    ]


def fit_label_temperature(logits: Floats, truths: Floats) -> float:
    """The same for findings that do not exclude each other: one temperature, over all known (row, class) pairs.

    Logits and truths [n, C]. A sigmoid is the softmax of (0, logit), so what `fit_temperature` says holds here.
    """
    known = ~np.isnan(truths)
    pairs = np.stack([np.zeros(known.sum()), logits[known]], axis=1)
    return fit_temperature(pairs, truths[known].astype(np.int64))


def outcome_of(truths: Floats, p: Floats, c: int) -> tuple[Ints, Floats]:
    """(outcome, its probability) of class c, over the rows whose truth is known; from truths and p [n, C]."""
    known = ~np.isnan(truths[:, c])
    return truths[known, c].astype(np.int64), p[known, c]


def pooled(truths: Floats, p: Floats, scored: Sequence[int]) -> tuple[Ints, Floats]:
    """(outcome, its probability) of every known pair of a row and a scored class, class by class."""
    pairs = [outcome_of(truths, p, c) for c in scored]
    return np.concatenate([outcome for outcome, _ in pairs]), np.concatenate([score for _, score in pairs])


def label_losses(truths: Floats, p: Floats, scored: Sequence[int]) -> tuple[float, float]:
    """(negative log-likelihood in nats, Brier score in [0, 1]) of findings that do not exclude each other.

    Each is the mean over the scored classes of the class's mean over its known rows: every finding counts alike,
    however many of its truths are known. NaN if one has none.
    """
    losses = []
    for c in scored:
        outcome, score = outcome_of(truths, p, c)
        both, one = np.stack([1 - score, score], axis=1), np.ones((1, len(outcome)))
        losses.append([nll(outcome, both, one)[0], brier(outcome, both, one)[0]])
    log_loss, squared = np.mean(losses, axis=0)
    return float(log_loss), float(squared)


def top_label(y: Ints, p: Floats) -> tuple[Ints, Floats]:
    """Labels [n] and probabilities [n, C] → (was the likeliest class right, its probability), each [n]."""
    check_predictions(y, p)
    return (p.argmax(axis=1) == y).astype(np.int64), p.max(axis=1)


def nll(y: Ints, p: Floats, w: Weights) -> Floats:
    """[draws]: mean negative log-likelihood in nats, p kept 2e-16 away from 0."""
    check_predictions(y, p)
    return _mean(-np.log(np.clip(p[np.arange(len(y)), y], _EPS, 1)), w)


def brier(y: Ints, p: Floats, w: Weights) -> Floats:
    """[draws]: mean squared distance to the outcome. Binary: of class 1 alone, in [0, 1]; else over classes, in [0, 2].

    Brier 1950; the halving of the binary case is today's usage (and scikit-learn's).
    """
    check_predictions(y, p)
    error = ((p - one_hot(y, p.shape[1])) ** 2).sum(axis=1)
    return _mean(error / 2 if p.shape[1] == 2 else error, w)


def ece_equal_mass(outcome: Ints, p: Floats, bins: int = BINS) -> float:
    """Expected calibration error in [0, 1] over bins of equal size (Nixon et al. 2019, section 3).

    No interval: it is biased upwards, more so under resampling, which a percentile interval would not show.
    """
    which = _equal_mass(outcome, p, bins)
    gaps = np.bincount(which, weights=p - outcome)
    return float(np.abs(gaps).sum() / len(p))


def reliability_curve(
    outcome: Ints, p: Floats, bins: int = 10, sampling: Resampling | None = None
) -> list[ReliabilityBin]:
    """Bins of equal size, ascending; with a resampling of the n rows also the band, the bins held fixed."""
    which = _equal_mass(outcome, p, bins)
    curve = []
    for b in np.unique(which):
        inside = np.flatnonzero(which == b)
        observed, low, high = float(outcome[inside].mean()), None, None
        if sampling is not None:
            within = sampling.rows(inside)
            band = within.interval(_mean(outcome[inside].astype(np.float64), within.weights))
            low, high = band.low, band.high
        curve.append(ReliabilityBin(float(p[inside].mean()), observed, len(inside), low, high))
    return curve


def recalibration(outcome: Ints, p: Floats) -> Recalibration:
    """Calibration slope and intercept, by logistic regression of the outcome on logit(p)."""
    check_binary(outcome, p)
    if outcome.min() == outcome.max():
        return Recalibration(None, None)
    x = logit(np.clip(p, _EPS, 1 - _EPS))
    # The mean of expit(a + x) rises with a; at ±(40 + the largest |x|) it is 0 or 1 to machine precision.
    reach = 40 + float(np.abs(x).max())
    intercept = brentq(lambda a: float(np.mean(expit(a + x) - outcome)), -reach, reach, xtol=1e-12)
    return Recalibration(_slope(outcome, x), float(intercept))


def _slope(outcome: Ints, x: Floats) -> float | None:
    positive, negative = x[outcome == 1], x[outcome == 0]
    # Separated, be it with ties at the border (Albert & Anderson 1984), or constant: no finite maximum.
    if negative.max() <= positive.min() or positive.max() <= negative.min():
        return None
    # Newton's method needs a trust region here: one certain and wrong prediction (|x| = 36) makes its plain steps fail.
    terms = np.stack([np.ones(len(x)), (x - x.mean()) / x.std()], axis=1)

    def loss(b: Floats) -> float:
        return float(np.mean(np.logaddexp(0, terms @ b) - outcome * (terms @ b)))

    def gradient(b: Floats) -> Floats:
        return np.asarray(terms.T @ (expit(terms @ b) - outcome) / len(x))

    def hessian(b: Floats) -> Floats:
        q = expit(terms @ b)
        return np.asarray((terms * (q * (1 - q))[:, None]).T @ terms / len(x))

    fit = minimize(loss, np.zeros(2), jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-10})
    return float(fit.x[1] / x.std())


def _equal_mass(outcome: Ints, p: Floats, bins: int) -> Ints:
    """The bin of each prediction, 0..bins-1. Equal predictions share a bin, so bins may be unequal or empty."""
    check_binary(outcome, p)
    edges = np.quantile(p, np.arange(1, bins) / bins)
    return np.searchsorted(edges, p, side="right")


def _mean(values: Floats, w: Weights) -> Floats:
    """[n], [draws, n] → [draws]: weighted mean, NaN in a draw without weight."""
    return over_draws(w, lambda w: ratio(w @ values, w.sum(axis=1)))
