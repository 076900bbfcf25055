"""What a model shows on a split it was not chosen by, ready for metrics.json."""

from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from medgraft.evaluation.arrays import Floats, Ints, labels_of
from medgraft.evaluation.calibration import (
    brier,
    ece_equal_mass,
    label_losses,
    nll,
    outcome_of,
    pooled,
    recalibration,
    top_label,
)
from medgraft.evaluation.figures import (
    PER_CLASS,
    class_intervals,
    compared_names,
    macro_interval,
    macro_names,
    macro_values,
)
from medgraft.evaluation.parts import Part
from medgraft.evaluation.prevalence import operating_points
from medgraft.evaluation.readout import Reading

Facts = dict[str, Any]


def figures(reading: Reading) -> Facts:
    """Macro and per-class figures of one model with intervals, its confusion and its operating points."""
    part, readout = reading.part, reading.readout
    by = part.by
    tables = {name: class_intervals(name, reading) for name in PER_CLASS}
    positive_groups = part.patients(1)
    per_class = {}
    for c, label in enumerate(by.classes):
        truth = part.truths[:, c]
        intervals: Facts = {name: asdict(table[c]) for name, table in tables.items()}
        per_class[label] = intervals | {
            "threshold": _known(readout.specific[c]),
            "decision_threshold": None if by.exclusive else readout.decision_threshold(c),
            "positives": int((truth == 1).sum()),
            "negatives": int((truth == 0).sum()),
            "unknown": int(np.isnan(truth).sum()),
            "positive_groups": int(positive_groups[c]),
            "calibration": _class_calibration(reading, c),
        }
    return {
        "macro": {name: asdict(macro_interval(name, reading)) for name in macro_names(by.task)},
        "per_class": per_class,
        "decision_threshold": readout.decision_threshold(1) if by.task == "binary" else None,
        "confusion": _confusion(reading) if by.exclusive else None,
        "operating": operating_points(reading),
    }


def difference(candidate: Reading, reference: Reading) -> Facts:
    """Paired differences of two models, candidate minus reference, under the same weights."""
    part = candidate.part
    return {
        name: asdict(part.sampling.difference(macro_values(name, candidate) - macro_values(name, reference)))
        for name in compared_names(part.by.task)
    }


def calibration(reading: Reading) -> Facts:
    """Whether probabilities hold: losses, and slope and intercept of the outcome on their log-odds.

    The outcome, of calibration error, slope and intercept, is the positive one of two classes; whether the likeliest
    of more is right; of a multilabel task every known pair of a unit and a scored label. NLL and Brier score are those
    of `nll` and `brier`, of a multilabel task those of `label_losses`.
    """
    fitted = recalibration(*_outcome(reading.part, reading.p))
    return losses(reading.part, reading.p) | {"slope": fitted.slope, "intercept": fitted.intercept}


def losses(part: Part, p: Floats) -> Facts:
    """NLL, Brier score and calibration error of probabilities [units, C]; see `calibration`."""
    if part.by.exclusive:
        y, one = labels_of(part.truths), np.ones((1, len(p)))
        found = float(nll(y, p, one)[0]), float(brier(y, p, one)[0])
    else:
        found = label_losses(part.truths, p, part.by.scored)
    return {"nll": _known(found[0]), "brier": _known(found[1]), "ece": ece_equal_mass(*_outcome(part, p))}


def _class_calibration(reading: Reading, c: int) -> Facts:
    outcome, score = outcome_of(reading.part.truths, reading.p, c)
    if not len(outcome):
        return dict.fromkeys(("ece", "brier", "slope", "intercept"))
    fitted = recalibration(outcome, score)
    return {
        "ece": ece_equal_mass(outcome, score),
        "brier": float(np.mean((score - outcome) ** 2)),
        "slope": fitted.slope,
        "intercept": fitted.intercept,
    }


def _confusion(reading: Reading) -> list[list[int]]:
    classes = range(reading.p.shape[1])
    table = confusion_matrix(labels_of(reading.part.truths), reading.readout.decided(reading.p), labels=classes)
    return [[int(count) for count in row] for row in table]


def _outcome(part: Part, p: Floats) -> tuple[Ints, Floats]:
    if not part.by.exclusive:
        return pooled(part.truths, p, part.by.scored)
    if p.shape[1] == 2:
        return outcome_of(part.truths, p, 1)
    return top_label(labels_of(part.truths), p)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
