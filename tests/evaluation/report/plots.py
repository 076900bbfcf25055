"""The curves of a made-up evaluation, as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import precision_recall_curve, roc_curve
from tests.evaluation.report.cohorts import Cohort
from tests.evaluation.report.figures import interval, outcome

from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.calibration import reliability_curve

Result = dict[str, Any]


def write_plots(
    folder: Path,
    classes: Sequence[str],
    scored: Sequence[str],
    test: Cohort,
    p: Mapping[str, Floats],
    decided: Sequence[str],
) -> None:
    """Write roc, pr, reliability of all candidates, and the decision curves of those `decided`."""
    folder.mkdir()
    rows: dict[str, list[Result]] = {"roc": [], "pr": [], "reliability": [], "decision_curve": []}
    for name, probabilities in p.items():
        for label in scored:
            key = {"candidate": name, "class": label}
            y, q = outcome(test, classes.index(label), probabilities)
            x, sensitivity, _ = roc_curve(y, q)
            precision, recall, _ = precision_recall_curve(y, q)
            rows["roc"] += [key | {"x": a, "y": b} for a, b in zip(x, sensitivity, strict=True)]
            rows["pr"] += [key | {"x": a, "y": b} for a, b in zip(recall, precision, strict=True)]
            for b in reliability_curve(y, q):
                band = interval(b.observed, b.count)
                values = {"mean_predicted": b.predicted, "observed": b.observed, "count": b.count}
                rows["reliability"].append(key | values | {"low": band["low"], "high": band["high"]})
            if name in decided:
                rows["decision_curve"] += [key | point for point in _decision_curve(y, q)]
    for kind, table in rows.items():
        pl.DataFrame(table, infer_schema_length=None).write_csv(folder / f"{kind}.csv")


def _decision_curve(y: Any, q: Floats) -> list[Result]:
    points = []
    for t in np.arange(1, 100) / 100:
        odds, prevalence = t / (1 - t), y.mean()
        benefit = ((q >= t) & (y == 1)).mean() - ((q >= t) & (y == 0)).mean() * odds
        all_ = prevalence - (1 - prevalence) * odds
        band = {"low": benefit - 0.02 - 0.03 * (1 - t), "high": benefit + 0.02 + 0.03 * (1 - t)}
        points.append({"threshold": t, "net_benefit": benefit} | band | {"treat_all": all_})
    return points
