"""The figures a report states, by name, over any bootstrap weights: per class and macro."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medgraft.evaluation.arrays import Floats, Ints, Weights
from medgraft.evaluation.metrics import (
    auprc,
    auroc,
    balanced_accuracy,
    f1,
    macro,
    recall,
    sensitivity_at,
    specificity_at,
)
from medgraft.evaluation.readout import Readout

Figure = Callable[[Ints, Floats, Readout, Weights], Floats]

# name → figure of every class [draws, C]
PER_CLASS: Mapping[str, Figure] = {
    "auroc": lambda y, p, r, w: auroc(y, p, w),
    "auprc": lambda y, p, r, w: auprc(y, p, w),
    "f1": lambda y, p, r, w: f1(y, r.decisions(p), w, p.shape[1]),
    "recall": lambda y, p, r, w: recall(y, r.decisions(p), w, p.shape[1]),
    "sensitivity": lambda y, p, r, w: sensitivity_at(y, p, r.thresholds, w),
    "specificity": lambda y, p, r, w: specificity_at(y, p, r.thresholds, w),
}
MACRO = ("auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity")
COMPARED = ("auroc", "auprc", "balanced_accuracy")


def macro_figure(name: str, y: Ints, p: Floats, readout: Readout, w: Weights, scored: Sequence[int]) -> Floats:
    """A macro figure [draws] over the scored classes.

    Balanced accuracy is the mean recall over the scored classes, over both of a binary task.
    """
    if name == "balanced_accuracy":
        classes = p.shape[1]
        over = list(range(classes)) if classes == 2 else list(scored)
        return balanced_accuracy(y, readout.decisions(p), w, classes, over)
    return macro(PER_CLASS[name](y, p, readout, w), scored)


def ones(y: Ints) -> Floats:
    """The weights of the plain estimate."""
    return np.ones((1, len(y)))
