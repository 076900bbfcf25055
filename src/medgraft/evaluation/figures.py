"""The figures a report states, by name, over any weights: per class and macro; and what their intervals rest on."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medgraft.evaluation.arrays import Bools, Floats, Ints, Weights, labels_of
from medgraft.evaluation.metrics import (
    auprc,
    auroc,
    balanced_accuracy,
    f1,
    label_balanced_accuracy,
    macro,
    recall,
    sensitivity_at,
    specificity_at,
    with_threshold,
)
from medgraft.evaluation.ordinal import mae, quadratic_kappa
from medgraft.evaluation.parts import Part
from medgraft.evaluation.readout import Reading, Readout
from medgraft.evaluation.uncertainty import Interval
from medgraft.params import Task

Figure = Callable[[Floats, Floats, Readout, Weights], Floats]

# name → figure of every class [draws, C]
PER_CLASS: Mapping[str, Figure] = {
    "auroc": lambda truths, p, r, w: auroc(truths, p, w),
    "auprc": lambda truths, p, r, w: auprc(truths, p, w),
    "f1": lambda truths, p, r, w: _called(f1, truths, p, r, w),
    "recall": lambda truths, p, r, w: _called(recall, truths, p, r, w),
    "sensitivity": lambda truths, p, r, w: sensitivity_at(truths, p, r.specific, w),
    "specificity": lambda truths, p, r, w: specificity_at(truths, p, r.specific, w),
}
_MACRO = ("auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity")
_COMPARED = ("auroc", "auprc", "balanced_accuracy")


def macro_names(task: Task) -> tuple[str, ...]:
    """The macro figures of a task."""
    return (*_MACRO, "quadratic_kappa", "mae") if task == "ordinal" else _MACRO


def compared_names(task: Task) -> tuple[str, ...]:
    """The macro figures in which models are compared in pairs: those that may be chosen by."""
    return (*_COMPARED, "quadratic_kappa") if task == "ordinal" else _COMPARED


def macro_figure(name: str, truths: Floats, p: Floats, readout: Readout, w: Weights, scored: Sequence[int]) -> Floats:
    """A macro figure [draws] over the scored classes, from truths and probabilities [n, C].

    Balanced accuracy is the mean recall over the scored classes, over both of two; of a multilabel task, the mean of
    each label's own. Quadratic kappa and mean absolute error are over all grades.
    """
    if name == "balanced_accuracy":
        if readout.task == "multilabel":
            return macro(_called(label_balanced_accuracy, truths, p, readout, w), scored)
        return balanced_accuracy(truths, readout.called(p), w, _recalled(p.shape[1], scored))
    if name in ("quadratic_kappa", "mae"):
        of_grades = quadratic_kappa if name == "quadratic_kappa" else mae
        return of_grades(labels_of(truths), readout.decided(p), w, p.shape[1])
    return macro(PER_CLASS[name](truths, p, readout, w), scored)


def class_intervals(name: str, reading: Reading) -> list[Interval]:
    """A figure of each class with its interval."""
    part = reading.part
    values = PER_CLASS[name](part.truths, reading.p, reading.readout, part.sampling.weights)
    patients = _patients(name, part)
    return [
        part.sampling.interval(values[:, c], None if patients is None else int(patients[c]))
        for c in range(values.shape[1])
    ]


def macro_values(name: str, reading: Reading) -> Floats:
    """A macro figure under all weights of the part's resampling."""
    part = reading.part
    return macro_figure(name, part.truths, reading.p, reading.readout, part.sampling.weights, part.by.scored)


def macro_interval(name: str, reading: Reading) -> Interval:
    """A macro figure with its interval."""
    return reading.part.sampling.interval(macro_values(name, reading), bound_by(name, reading.part))


def bound_by(name: str, part: Part) -> int | None:
    """How many patients bound a macro figure where it is 0 or 1 in every draw; see `Resampling.interval`.

    A mean over classes is perfect only with its worst class, so the class with the fewest bounds it.
    """
    patients = _patients(name, part)
    if patients is None:
        return None
    recalled = name == "balanced_accuracy" and part.by.exclusive
    return int(min(patients[_recalled(len(patients), part.by.scored) if recalled else list(part.by.scored)]))


def _called(
    figure: Callable[[Floats, Bools, Weights], Floats], truths: Floats, p: Floats, readout: Readout, w: Weights
) -> Floats:
    """A figure of decisions [draws, C]; a label without a threshold is undecided, not "never called"."""
    values = figure(truths, readout.called(p), w)
    if readout.task != "multilabel" or readout.decision is None:
        return values
    return with_threshold(readout.decision, values)


def _patients(name: str, part: Part) -> Ints | None:
    """The same for each class [C]; None where no such number helps.

    A perfect F1 or AUPRC says the less of the rate of false alarms, the lower the prevalence is.
    """
    positive, negative = part.patients(1), part.patients(0)
    if name in ("recall", "sensitivity") or (name == "balanced_accuracy" and part.by.exclusive):
        return positive
    if name == "specificity":
        return negative
    return np.minimum(positive, negative) if name in ("auroc", "balanced_accuracy") else None


def _recalled(classes: int, scored: Sequence[int]) -> list[int]:
    return [0, 1] if classes == 2 else list(scored)
