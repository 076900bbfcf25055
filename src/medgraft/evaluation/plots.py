"""Curves as CSV, for `dvc plots` and for the report; of the packaged models on test."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import precision_recall_curve, roc_curve

from medgraft.evaluation.arrays import labels_of
from medgraft.evaluation.calibration import outcome_of, reliability_curve
from medgraft.evaluation.prevalence import decision_curves
from medgraft.evaluation.readout import Reading

Rows = Iterator[dict[str, Any]]
NOWHERE = {"x": float("nan"), "y": float("nan")}  # the curve of a class that has one outcome only


def write_plots(
    folder: Path, readings: Mapping[str, Reading], winner: str, reference: str, curves: Mapping[str, Sequence[Any]]
) -> None:
    """Write roc, pr, reliability, decision_curve (winner and reference), learning_curve, confusion (of the winner).

    `readings` are the packaged models' by candidate, `curves` the learning curves of metrics.json. Confusion is of
    classes that exclude each other only.
    """
    folder.mkdir()
    tables = {
        name: _table(readings, rows) for name, rows in (("roc", _roc), ("pr", _pr), ("reliability", _reliability))
    }
    tables["decision_curve"] = [
        {"candidate": name} | row
        for name in dict.fromkeys((winner, reference))
        for row in decision_curves(readings[name])
    ]
    fields = ("fraction", "train_images", "mean", "low", "high", "seed_sd")
    tables["learning_curve"] = [
        {"candidate": name} | {f: point[f] for f in fields} for name, points in curves.items() for point in points
    ]
    if readings[winner].part.by.exclusive:
        tables["confusion"] = _confusion(readings[winner])
    for name, rows in tables.items():
        pl.DataFrame(rows, infer_schema_length=None).write_csv(folder / f"{name}.csv")


def _table(readings: Mapping[str, Reading], rows: Callable[[Reading, int], Rows]) -> list[dict[str, Any]]:
    return [
        {"candidate": name, "class": reading.part.by.classes[c]} | row
        for name, reading in readings.items()
        for c in reading.part.by.scored
        for row in rows(reading, c)
    ]


def _roc(reading: Reading, c: int) -> Rows:
    outcome, score = outcome_of(reading.part.truths, reading.p, c)
    if len(np.unique(outcome)) < 2:
        return iter([NOWHERE])
    fpr, tpr, _ = roc_curve(outcome, score)
    return ({"x": float(x), "y": float(y)} for x, y in zip(fpr, tpr, strict=True))


def _pr(reading: Reading, c: int) -> Rows:
    outcome, score = outcome_of(reading.part.truths, reading.p, c)
    if len(np.unique(outcome)) < 2:
        return iter([NOWHERE])
    precision, recalled, _ = precision_recall_curve(outcome, score)
    return ({"x": float(x), "y": float(y)} for x, y in zip(recalled, precision, strict=True))


def _reliability(reading: Reading, c: int) -> Rows:
    part = reading.part
    known = ~np.isnan(part.truths[:, c])
    for b in reliability_curve(*outcome_of(part.truths, reading.p, c), sampling=part.sampling.rows(known)):
        yield {
            "mean_predicted": b.predicted,
            "observed": b.observed,
            "low": b.low,
            "high": b.high,
            "count": b.count,
        }


def _confusion(reading: Reading) -> list[dict[str, Any]]:
    classes = reading.part.by.classes
    decided = reading.readout.decided(reading.p)
    return [
        {"actual": classes[a], "predicted": classes[d]}
        for a, d in zip(labels_of(reading.part.truths), decided, strict=True)
    ]
