"""How a run's logits are read: temperature and thresholds, all fitted on validation and only applied to test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.evaluation.arrays import Bools, Floats, Ints, labels_of, one_hot
from medgraft.evaluation.calibration import fit_label_temperature, fit_temperature, outcome_of, sigmoid, softmax
from medgraft.evaluation.operating import (
    decide,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)
from medgraft.evaluation.ordinal import median_grade
from medgraft.evaluation.parts import Part
from medgraft.params import Task


@dataclass(frozen=True, eq=False)
class Readout:
    """Temperature and thresholds float64 [C] on each class's probability: positive is p >= threshold.

    `specific` is at the target specificity, `sensitive` at the target sensitivity. `decision` maximises Youden's J: of
    each label of a multilabel task, of the positive class of a binary one ([NaN, threshold]); None where the most
    probable class (multiclass) or the median grade (ordinal) is decided for. All three were chosen on validation; NaN
    where it has no positive or no negative.
    """

    task: Task
    temperature: float
    specific: Floats
    sensitive: Floats
    decision: Floats | None

    def __post_init__(self) -> None:
        if (self.decision is None) == (self.task in ("binary", "multilabel")):
            raise ValueError(f"decision thresholds are for binary and multilabel tasks; this one is {self.task}")

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities float64 [n, C] from logits [n, C]."""
        return probabilities(self.task, logits, self.temperature)

    def called(self, p: Floats) -> Bools:
        """The classes decided for, bool [n, C]; one a row unless the task is multilabel."""
        if self.task == "multilabel":
            assert self.decision is not None
            return np.asarray(p >= self.decision, dtype=np.bool_)
        return one_hot(self.decided(p), p.shape[1]).astype(np.bool_)

    def decided(self, p: Floats) -> Ints:
        """The decided class int64 [n], of classes that exclude each other."""
        if self.task == "ordinal":
            return median_grade(p)
        return decide(p, self.decision_threshold(1) if self.task == "binary" else None)

    def decision_threshold(self, c: int) -> float | None:
        """Of class c; None where there is none."""
        return None if self.decision is None or np.isnan(self.decision[c]) else float(self.decision[c])


@dataclass(frozen=True, eq=False)
class Reading:
    """One model on one split: calibrated probabilities of the images [images, C] and, made of them, of the units."""

    part: Part
    readout: Readout
    images: Floats
    p: Floats

    def units(self, which: Bools) -> "Reading":
        """The same of some of the units [units]."""
        inside = (self.part.unit >= 0) & which[self.part.unit]
        return Reading(self.part.units(which), self.readout, self.images[inside], self.p[which])


def reading(part: Part, readout: Readout, images: Floats) -> Reading:
    """Of calibrated probabilities of the part's images, in its order."""
    return Reading(part, readout, images, part.of_units(images))


def probabilities(task: Task, logits: Floats, temperature: float = 1.0) -> Floats:
    """Sigmoid for findings that do not exclude each other, else softmax, at a temperature."""
    return (sigmoid if task == "multilabel" else softmax)(logits, temperature)


def fixed_readout(
    task: Task,
    classes: Sequence[str],
    specific: Mapping[str, float | None],
    sensitive: Mapping[str, float | None],
    decision: Mapping[str, float | None],
) -> Readout:
    """A readout of thresholds that were stored by class, for probabilities that are calibrated already.

    A class that is missing has none. `decision` holds that of the positive class (binary) or of each label
    (multilabel), and nothing for other tasks.
    """

    def table(stored: Mapping[str, float | None]) -> Floats:
        found = [stored.get(label) for label in classes]
        return np.array([np.nan if threshold is None else threshold for threshold in found], dtype=np.float64)

    by_threshold = task in ("binary", "multilabel")
    return Readout(task, 1.0, table(specific), table(sensitive), table(decision) if by_threshold else None)


def fit_readout(logits: Floats, validation: Part) -> Readout:
    """Fit on validation logits [images, C]: the temperature on images, since those are served; thresholds on units."""
    by, settings = validation.by, validation.by.settings
    if by.exclusive:
        temperature = fit_temperature(logits, labels_of(validation.image_truths))
    else:
        temperature = fit_label_temperature(logits, validation.image_truths)
    p = validation.of_units(probabilities(by.task, logits, temperature))
    outcomes = [outcome_of(validation.truths, p, c) for c in range(p.shape[1])]
    decision = None
    if by.task == "binary":
        decision = np.array([np.nan, youden_threshold(*outcomes[1])])
    elif by.task == "multilabel":
        decision = _thresholds(youden_threshold, outcomes)
    return Readout(
        by.task,
        temperature,
        specific=_thresholds(lambda y, s: threshold_at_specificity(y, s, settings.specificity), outcomes),
        sensitive=_thresholds(lambda y, s: threshold_at_sensitivity(y, s, settings.sensitivity), outcomes),
        decision=decision,
    )


def _thresholds(rule: Callable[[Ints, Floats], float], outcomes: Sequence[tuple[Ints, Floats]]) -> Floats:
    return np.array([rule(y, s) if 0 < y.sum() < len(y) else np.nan for y, s in outcomes])
