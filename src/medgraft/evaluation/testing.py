"""After the choice: what every candidate shows on the opened test split, ready for metrics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.calibration import brier, ece_equal_mass, nll, recalibration, softmax, top_label
from medgraft.evaluation.choosing import Judge, seed_scores
from medgraft.evaluation.figures import COMPARED, MACRO, PER_CLASS, macro_figure, ones
from medgraft.evaluation.readout import Readout
from medgraft.evaluation.results import Candidate, Part, RunKey
from medgraft.evaluation.uncertainty import interval, paired_difference

Facts = dict[str, Any]
Readouts = Mapping[RunKey, Readout]


def packaged(candidate: Candidate) -> RunKey:
    """The run whose model is packaged: all labels, the first listed seed."""
    return (1.0, candidate.seeds[0])


def packaged_figures(candidate: Candidate, test: Part, read: Readouts, by: Judge, classes: Sequence[str]) -> Facts:
    """Macro and per-class figures of the packaged model with intervals, its confusion, and the seeds' spread."""
    key = packaged(candidate)
    readout = read[key]
    y, w = test.labels, by.weights[test.name]
    p = readout.probabilities(candidate.logits[test.name][key])
    figures = {
        name: _interval(
            macro_figure(name, y, p, readout, ones(y), by.scored)[0],
            macro_figure(name, y, p, readout, w, by.scored),
        )
        for name in MACRO
    }
    tables = {name: (f(y, p, readout, ones(y))[0], f(y, p, readout, w)) for name, f in PER_CLASS.items()}
    per_class = {}
    for c, label in enumerate(classes):
        facts: Facts = {name: _interval(plain[c], draws[:, c]) for name, (plain, draws) in tables.items()}
        facts |= {
            "threshold": float(readout.thresholds[c]),
            "positives": int((y == c).sum()),
            "positive_groups": len(np.unique(test.groups[y == c])),
        }
        per_class[label] = facts
    scores, _ = seed_scores(candidate, test, read, by)
    return {
        "macro": figures,
        "per_class": per_class,
        "decision_threshold": readout.decision,
        "confusion": confusion_matrix(y, readout.decisions(p), labels=range(len(classes))).tolist(),
        "seeds": {"values": scores, "sd": _sd(scores)},
    }


def difference(
    candidate: Candidate, reference: Candidate, test: Part, read: Mapping[str, Readouts], by: Judge
) -> Facts:
    """Paired differences of the packaged models, candidate minus reference, on the same draws."""
    y, w = test.labels, by.weights[test.name]
    facts: Facts = {"reference": reference.name}
    for name in COMPARED:
        pairs = []
        for one in (candidate, reference):
            readout = read[one.name][packaged(one)]
            p = readout.probabilities(one.logits[test.name][packaged(one)])
            pairs.append([macro_figure(name, y, p, readout, v, by.scored) for v in (ones(y), w)])
        (a, a_draws), (b, b_draws) = pairs
        found = paired_difference(float(a[0]), float(b[0]), a_draws, b_draws)
        facts[name] = asdict(found)
    return facts


def calibration(candidate: Candidate, test: Part, read: Readouts) -> Facts:
    """Calibration on test before and after temperature scaling; slope and intercept of the scored outcome."""
    key = packaged(candidate)
    logits = candidate.logits[test.name][key]
    before, after = softmax(logits), read[key].probabilities(logits)
    outcome, score = _outcome(test, after)
    fitted = recalibration(outcome, score)
    return {
        "before": _errors(test, before),
        "after": _errors(test, after) | {"slope": fitted.slope, "intercept": fitted.intercept},
    }


def curve(candidate: Candidate, test: Part, validation: Part, read: Readouts, by: Judge) -> list[Facts]:
    """The learning curve: the metric on test, mean over seeds, its sampling interval, and the seeds' spread apart."""
    points = []
    for fraction in sorted({fraction for fraction, _ in candidate.runs}):
        fits = [fit for fit in candidate.card["fits"] if fit["fraction"] == fraction]
        scores, draws = seed_scores(candidate, test, read, by, fraction)
        found = interval(float(np.mean(scores)), draws.mean(axis=0))
        points.append(
            {
                "fraction": fraction,
                "train_images": round(float(np.mean([fit["train_images"] for fit in fits]))),
                "train_groups": round(float(np.mean([fit["train_groups"] for fit in fits]))),
                "validation_images": len(validation.labels),
                "mean": found.estimate,
                "seed_sd": _sd(scores),
                "low": found.low,
                "high": found.high,
                "seeds": scores,
            }
        )
    return points


def _outcome(test: Part, p: Floats) -> tuple[Any, Floats]:
    """The positive class of a binary task; of several classes, whether the most probable one is right."""
    if p.shape[1] == 2:
        return (test.labels == 1).astype(np.int64), p[:, 1]
    return top_label(test.labels, p)


def _errors(test: Part, p: Floats) -> Facts:
    w = ones(test.labels)
    outcome, score = _outcome(test, p)
    return {
        "nll": float(nll(test.labels, p, w)[0]),
        "brier": float(brier(test.labels, p, w)[0]),
        "ece": ece_equal_mass(outcome, score),
    }


def _interval(estimate: float, draws: Floats) -> Facts:
    return asdict(interval(float(estimate), draws))


def _sd(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
