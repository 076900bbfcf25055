"""Figures that depend on how common a finding is where the model is used: PPV, NPV, net benefit.

They follow from sensitivity, specificity and the prevalence, in every draw, so that their intervals hold at that
prevalence. Where none is stated it is that of the split, in each draw its own: PPV is then the share of the called that
are positive.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medgraft.evaluation.arrays import Bools, Floats, Weights, over_draws, ratio
from medgraft.evaluation.metrics import recall, specificity
from medgraft.evaluation.readout import Reading
from medgraft.evaluation.uncertainty import Interval, Resampling, withheld

PROBABILITIES = np.arange(1, 100) / 100


@dataclass(frozen=True, eq=False)
class Prevalence:
    """Of one class: `values` [1 + draws + blocks] under all weights; `stated` is whether the user gave it."""

    values: Floats
    stated: bool

    @property
    def value(self) -> float:
        """The prevalence itself."""
        return float(self.values[0])


def prevalence_of(reading: Reading, c: int) -> Prevalence:
    """The stated prevalence of a class, or the share of its positives among the units whose truth is known."""
    part = reading.part
    stated = part.by.settings.prevalence.get(part.by.classes[c])
    weights = part.sampling.weights
    if stated is not None:
        return Prevalence(np.full(len(weights), stated), stated=True)
    positive, known = (part.truths[:, c] == 1).astype(np.float64), (~np.isnan(part.truths[:, c])).astype(np.float64)
    return Prevalence(over_draws(weights, lambda w: ratio(w @ positive, w @ known)), stated=False)


def ppv(sensitivity: Floats, specificity: Floats, prevalence: Floats) -> Floats:
    """P(positive | called) by Bayes; NaN where nothing is called."""
    true = sensitivity * prevalence
    return ratio(true, true + (1 - specificity) * (1 - prevalence))


def npv(sensitivity: Floats, specificity: Floats, prevalence: Floats) -> Floats:
    """P(negative | not called) by Bayes; NaN where everything is called."""
    true = specificity * (1 - prevalence)
    return ratio(true, true + (1 - sensitivity) * prevalence)


def net_benefit(sensitivity: Floats, specificity: Floats, prevalence: Floats, probability: Floats) -> Floats:
    """True positives less false ones at the odds of `probability`, per case (Vickers & Elkin 2006, MDM 26:565).

    `probability` is the risk from which on one would act: acting on a negative costs p / (1 − p) of what it brings on
    a positive. Treating all has sensitivity 1 and specificity 0; treating none has 0.
    """
    return sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * probability / (1 - probability)


def operating_points(reading: Reading) -> list[dict[str, Any]]:
    """Of each scored class at the target specificity and at the target sensitivity, thresholds from validation."""
    by = reading.part.by
    targets = (
        ("specificity", by.settings.specificity, reading.readout.specific),
        ("sensitivity", by.settings.sensitivity, reading.readout.sensitive),
    )
    return [
        {"class": by.classes[c], "target": name, "value": value, **_point(reading, c, float(thresholds[c]))}
        for c in by.scored
        for name, value, thresholds in targets
    ]


def decision_curves(reading: Reading) -> list[dict[str, Any]]:
    """Of each scored class, net benefit of acting from each probability on, with its interval, and of treating all."""
    classes = reading.part.by.classes
    return [{"class": classes[c]} | point for c in reading.part.by.scored for point in _curve(reading, c)]


def _curve(reading: Reading, c: int) -> list[dict[str, float | None]]:
    part, prevalence = reading.part, prevalence_of(reading, c)
    truths = np.repeat(part.truths[:, [c]], len(PROBABILITIES), axis=1)
    called = reading.p[:, [c]] >= PROBABILITIES
    sensitivity, specific = _both(truths, called, part.sampling.weights)
    values = net_benefit(sensitivity, specific, prevalence.values[:, None], PROBABILITIES)
    treat_all = net_benefit(np.ones(1), np.zeros(1), prevalence.values[:1], PROBABILITIES)
    bands = [part.sampling.interval(values[:, i]) for i in range(len(PROBABILITIES))]
    return [
        {
            "threshold": float(at),
            "net_benefit": band.estimate,
            "low": band.low,
            "high": band.high,
            "treat_all": float(everyone),
        }
        for at, band, everyone in zip(PROBABILITIES, bands, treat_all, strict=True)
    ]


def _point(reading: Reading, c: int, threshold: float) -> dict[str, Any]:
    part, prevalence = reading.part, prevalence_of(reading, c)
    called = reading.p[:, [c]] >= threshold
    sensitivity, specific = (v[:, 0] for v in _both(part.truths[:, [c]], called, part.sampling.weights))
    if np.isnan(threshold):
        sensitivity, specific = np.full((2, len(sensitivity)), np.nan)
    reached = part.sampling.interval(sensitivity, int(part.patients(1)[c]))
    kept = part.sampling.interval(specific, int(part.patients(0)[c]))
    after = {
        name: _predictive(part.sampling, rule, (sensitivity, specific), (reached, kept), prevalence)
        for name, rule in (("ppv", ppv), ("npv", npv))
    }
    return {
        "threshold": None if np.isnan(threshold) else threshold,
        **{name: asdict(found) for name, found in (("sensitivity", reached), ("specificity", kept), *after.items())},
        "prevalence": prevalence.value,
        "prevalence_stated": prevalence.stated,
    }


def _both(truths: Floats, called: Bools, weights: Weights) -> tuple[Floats, Floats]:
    return recall(truths, called, weights), specificity(truths, called, weights)


def _predictive(
    sampling: Resampling,
    rule: Callable[[Floats, Floats, Floats], Floats],
    values: tuple[Floats, Floats],
    bounds: tuple[Interval, Interval],
    prevalence: Prevalence,
) -> Interval:
    """PPV or NPV; where no draw has an error, what the exact bounds of sensitivity and specificity make of it."""
    drawn = rule(*values, prevalence.values)
    found = sampling.interval(drawn)
    unvaried = found.estimate is not None and found.low is None and not withheld(sampling.drawn(drawn))
    ends = [(b.low, b.high) for b in bounds if b.low is not None and b.high is not None]
    if not unvaried or len(ends) < len(bounds):
        return found
    low, high = rule(np.array(ends[0]), np.array(ends[1]), np.full(2, prevalence.value))
    return Interval(found.estimate, float(low), float(high), found.undefined_share, None)
