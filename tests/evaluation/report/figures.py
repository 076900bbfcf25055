"""Figures of made-up predictions, of scikit-learn, with intervals by textbook formulas: only the report is tested."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)
from tests.evaluation.report.cohorts import Cohort, decide

from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.calibration import ece_equal_mass, recalibration

Result = dict[str, Any]


def interval(estimate: float, n: float, withheld: bool = False) -> Result:
    """As the `Interval` of a share of n."""
    se = max(0.004, float(np.sqrt(max(estimate * (1 - estimate), 0.0) / max(n, 1))))
    low, high = max(0.0, estimate - 1.96 * se), min(1.0, estimate + 1.96 * se)
    if withheld:
        return {"estimate": estimate, "low": None, "high": None, "undefined_share": 0.134, "se": None}
    return {"estimate": estimate, "low": low, "high": high, "undefined_share": 0.0, "se": se}


def outcome(cohort: Cohort, c: int, p: Floats) -> tuple[Any, Floats]:
    """Truth and probability of class c where the truth is known, each [known]."""
    known = ~np.isnan(cohort.truths[:, c])
    return cohort.truths[known, c].astype(np.int64), p[known, c]


def threshold(y: Any, p: Floats, target: str, value: float) -> float:
    """The threshold at which the target is reached: of the negatives' scores, or the positives'."""
    return float(np.quantile(p[y == 0], value) if target == "specificity" else np.quantile(p[y == 1], 1 - value))


def of_test(cohorts: dict[str, Cohort], p: dict[str, Floats], classes: Sequence[str], scored: Sequence[str]) -> Result:
    """The `test` part of a candidate in metrics.json, but for its seeds."""
    task, validation, test = cohorts["test"].task, cohorts["validation"], cohorts["test"]
    per_class: dict[str, Result] = {}
    operating: list[Result] = []
    youden = {c: threshold(*outcome(validation, c, p["validation"]), "specificity", 0.8) for c in range(len(classes))}
    decided = decide(task, p["test"], youden[1] if task == "binary" else None)
    for c, label in enumerate(classes):
        y, q = outcome(test, c, p["test"])
        at = threshold(*outcome(validation, c, p["validation"]), "specificity", 0.9)
        positive_groups = len(np.unique(test.groups[test.truths[:, c] == 1]))
        d = q >= youden[c] if task == "multilabel" else decided == c
        figures = {
            "auroc": roc_auc_score(y, q),
            "auprc": average_precision_score(y, q),
            "f1": 2 * (d & (y == 1)).sum() / (d.sum() + y.sum()),
            "recall": d[y == 1].mean(),
            "sensitivity": (q >= at)[y == 1].mean(),
            "specificity": (q < at)[y == 0].mean(),
        }
        of_class: Result = {k: interval(float(v), y.sum(), positive_groups < 5) for k, v in figures.items()}
        per_class[label] = of_class | {
            "threshold": at,
            "positives": int(y.sum()),
            "positive_groups": positive_groups,
            "negatives": int((y == 0).sum()),
            "unknown": int(np.isnan(test.truths[:, c]).sum()),
            "decision_threshold": youden[c] if task == "multilabel" else None,
            "calibration": {"ece": ece_equal_mass(y, q), "brier": float(brier_score_loss(y, q))}
            | recalibration(y, q).__dict__,
        }
        if label in scored:
            operating += _operating(label, outcome(validation, c, p["validation"]), (y, q))
    macro = {k: _mean([per_class[label][k] for label in scored]) for k in figures if k != "recall"}
    macro["balanced_accuracy"] = _mean([per_class[label]["recall"] for label in scored])
    if task == "ordinal":
        kappa = cohen_kappa_score(test.labels, decided, weights="quadratic")
        macro["quadratic_kappa"] = interval(float(kappa), len(decided))
        error = float(np.abs(test.labels - decided).mean())
        macro["mae"] = interval(error, 1) | {"low": error - 0.06, "high": error + 0.07}
    matrix = confusion_matrix(test.labels, decided, labels=range(len(classes))).tolist()
    return {
        "macro": macro,
        "per_class": per_class,
        "decision_threshold": youden[1] if task == "binary" else None,
        "confusion": None if task == "multilabel" else matrix,
        "operating": operating,
    }


def calibration(test: Cohort, before: Floats, after: Floats) -> Result:
    """The `calibration` part of a candidate."""

    def errors(p: Floats) -> Result:
        y, q = _pooled(test, p)
        return {
            "nll": float(log_loss(y, q, labels=[0, 1])),
            "brier": float(brier_score_loss(y, q)),
            "ece": ece_equal_mass(y, q),
        }

    return {"before": errors(before), "after": errors(after) | recalibration(*_pooled(test, after)).__dict__}


def _pooled(test: Cohort, p: Floats) -> tuple[Any, Floats]:
    if test.task == "binary":
        return outcome(test, 1, p)
    if test.task == "multilabel":
        known = ~np.isnan(test.truths)
        return test.truths[known].astype(np.int64), p[known]
    return (p.argmax(axis=1) == test.labels).astype(np.int64), p.max(axis=1)


def _operating(label: str, validation: tuple[Any, Floats], test: tuple[Any, Floats]) -> list[Result]:
    y, q = test
    points = []
    for target in ("specificity", "sensitivity"):
        at = threshold(*validation, target, 0.9)
        sensitivity, specificity = float((q >= at)[y == 1].mean()), float((q < at)[y == 0].mean())
        prevalence, stated = (0.05, True) if label == "malignant" else (float(y.mean()), False)
        true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
        missed, right = (1 - sensitivity) * prevalence, specificity * (1 - prevalence)
        points.append(
            {"class": label, "target": target, "value": 0.9, "threshold": at}
            | {"sensitivity": interval(sensitivity, y.sum()), "specificity": interval(specificity, (y == 0).sum())}
            | {"ppv": interval(true / (true + false), 200), "npv": interval(right / (right + missed), 200)}
            | {"prevalence": prevalence, "prevalence_stated": stated}
        )
    return points


def _mean(figures: Sequence[Result]) -> Result:
    estimate = float(np.mean([figure["estimate"] for figure in figures]))
    return interval(estimate, 120, any(figure["low"] is None for figure in figures))
