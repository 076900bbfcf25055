"""Curves as CSV, for `dvc plots` and for the report; of the packaged models on test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import precision_recall_curve, roc_curve

from medgraft.evaluation.calibration import reliability_curve
from medgraft.evaluation.choosing import Judge
from medgraft.evaluation.results import Candidate, Part
from medgraft.evaluation.testing import Readouts, packaged


def write_plots(
    folder: Path,
    candidates: Sequence[Candidate],
    winner: str,
    test: Part,
    read: Mapping[str, Readouts],
    by: Judge,
    classes: Sequence[str],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """Write roc, pr, reliability, learning_curve and confusion (of the winner) into `folder`."""
    folder.mkdir()
    roc: list[dict[str, Any]] = []
    pr: list[dict[str, Any]] = []
    reliability: list[dict[str, Any]] = []
    for candidate in candidates:
        readout = read[candidate.name][packaged(candidate)]
        p = readout.probabilities(candidate.logits[test.name][packaged(candidate)])
        for c in by.scored:
            of = {"candidate": candidate.name, "class": classes[c]}
            outcome = (test.labels == c).astype(np.int64)
            fpr, tpr, _ = roc_curve(outcome, p[:, c])
            precision, recalled, _ = precision_recall_curve(outcome, p[:, c])
            roc += [of | {"x": float(x), "y": float(y)} for x, y in zip(fpr, tpr, strict=True)]
            pr += [of | {"x": float(x), "y": float(y)} for x, y in zip(recalled, precision, strict=True)]
            bins = reliability_curve(outcome, p[:, c], w=by.weights[test.name])
            reliability += [
                of
                | {
                    "mean_predicted": b.predicted,
                    "observed": b.observed,
                    "low": b.low,
                    "high": b.high,
                    "count": b.count,
                }
                for b in bins
            ]
        if candidate.name == winner:
            decided = readout.decisions(p)
            pairs = [{"actual": classes[a], "predicted": classes[d]} for a, d in zip(test.labels, decided, strict=True)]
            pl.DataFrame(pairs).write_csv(folder / "confusion.csv")
    fields = ("fraction", "train_images", "mean", "low", "high", "seed_sd")
    learning = [{"candidate": n} | {f: point[f] for f in fields} for n, points in curves.items() for point in points]
    for name, rows in (("roc", roc), ("pr", pr), ("reliability", reliability), ("learning_curve", learning)):
        pl.DataFrame(rows, infer_schema_length=None).write_csv(folder / f"{name}.csv")
