"""The charts of an evaluation's files, ready for the template."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from medgraft.charts import INK, SOFT
from medgraft.evaluation.report import charts
from medgraft.evaluation.report.formats import headline, number
from medgraft.evaluation.report.svg import Line, line

Facts = Mapping[str, Any]

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)


def candidate_lines(metrics: Facts) -> dict[str, Line]:
    """The winner thick and in the first colour, the others in their order."""
    others = [name for name in metrics["candidates"] if name != metrics["winner"]]
    return {metrics["winner"]: line(0, 2.6)} | {name: line(i, 1.1) for i, name in enumerate(others, start=1)}


def learning_curves(metrics: Facts) -> dict[str, Markup]:
    """A panel a candidate, or none where no candidate has more than one label fraction."""
    curves = {name: facts["curve"] for name, facts in metrics["candidates"].items()}
    if all(len(curve) < 2 for curve in curves.values()):
        return {}
    lines, metric = candidate_lines(metrics), headline(metrics["metric"], metrics["task"])
    return {
        name: charts.learning_curve(name, curves, lines, metric, f"curve{index}") for index, name in enumerate(curves)
    }


def ranking(folder: Path, metrics: Facts) -> Facts:
    """ROC and PR curves with their legend: every candidate if binary, else the winner's scored classes."""
    winner = metrics["winner"]
    figures = metrics["candidates"][winner]["test"]["per_class"]
    if metrics["task"] == "binary":
        (positive,) = metrics["scored"]
        lines = candidate_lines(metrics)
        areas = {name: facts["test"]["macro"] for name, facts in metrics["candidates"].items()}
        prevalence = dict.fromkeys(lines, _prevalence(figures[positive]))
        keys = {name: (name, positive) for name in lines}
    else:
        lines = {label: line(index, 1.5) for index, label in enumerate(metrics["scored"])}
        areas = {label: figures[label] for label in lines}
        prevalence = {label: _prevalence(figures[label]) for label in lines}
        keys = {label: (winner, label) for label in lines}
    points = {kind: _points(folder / "plots" / f"{kind}.csv", keys) for kind in ("roc", "pr")}
    floor = prevalence[winner] if metrics["task"] == "binary" else None
    listed = {
        kind: ", ".join(f"{name} {number(areas[name][area]['estimate'])}" for name in lines)
        for kind, area in (("roc", "auroc"), ("pr", "auprc"))
    }
    return {
        "roc": charts.roc(points["roc"], lines, f"ROC curves on test; AUROC: {listed['roc']}."),
        "pr": charts.precision_recall(
            points["pr"], lines, floor, f"Precision-recall curves on test; AUPRC: {listed['pr']}."
        ),
        "legend": [(name, style, areas[name], prevalence[name]) for name, style in lines.items()],
    }


def reliability(folder: Path, metrics: Facts) -> list[tuple[str, list[int], Markup]]:
    """The winner's diagrams of the scored classes, with their bins' counts."""
    bins = _table(folder / "plots" / "reliability.csv").filter(candidate=metrics["winner"])
    own = {label: bins.filter(**{"class": label}) for label in metrics["scored"]}
    return [
        (label, table["count"].to_list(), charts.reliability(table, label, f"reliability{index}"))
        for index, (label, table) in enumerate(own.items())
    ]


@dataclass(frozen=True)
class Decisions:
    """Decision curves: legend (name, line), a chart a scored class, and net benefits at a few thresholds.

    `rows`: class → (model or "treat all", one {"estimate", "low", "high"} a threshold).
    """

    legend: list[tuple[str, Line]]
    charts: list[tuple[str, Markup]]
    thresholds: tuple[float, ...]
    rows: list[tuple[str, list[tuple[str, list[Facts]]]]]


def decisions(folder: Path, metrics: Facts) -> Decisions:
    """Of the winner and, if it is another, the reference."""
    models = list(dict.fromkeys([metrics["winner"], metrics["reference"]]))
    lines = {name: candidate_lines(metrics)[name] for name in models}
    path = folder / "plots" / "decision_curve.csv"
    drawn, rows = [], []
    for index, label in enumerate(metrics["scored"]):
        curves = _points(path, {name: (name, label) for name in models})
        drawn.append((label, charts.decision_curve(curves, lines, label, f"decision{index}")))
        rows.append((label, _net_benefits(curves)))
    legend = [*lines.items(), ("treat all", Line(SOFT, (2, 2))), ("treat none", Line(INK, ()))]
    return Decisions(legend, drawn, THRESHOLDS, rows)


def _net_benefits(curves: Mapping[str, pl.DataFrame]) -> list[tuple[str, list[Facts]]]:
    at = {name: {round(row["threshold"], 2): row for row in t.iter_rows(named=True)} for name, t in curves.items()}
    models = [(name, [_interval(rows[threshold]) for threshold in THRESHOLDS]) for name, rows in at.items()]
    first = next(iter(at.values()))
    return [*models, ("treat all", [_estimate(first[threshold]["treat_all"]) for threshold in THRESHOLDS])]


def _interval(row: Facts) -> Facts:
    return {"estimate": row["net_benefit"], "low": row["low"], "high": row["high"]}


def _estimate(value: float) -> Facts:
    return {"estimate": value, "low": None, "high": None}


def _points(path: Path, keys: Mapping[str, tuple[str, str]]) -> dict[str, pl.DataFrame]:
    """The curve of each key (candidate, class), by name."""
    table = _table(path)
    found = {name: table.filter(candidate=candidate, **{"class": label}) for name, (candidate, label) in keys.items()}
    empty = [name for name, points in found.items() if not len(points)]
    if empty:
        raise ValueError(f"{path.name} has no curve of {', '.join(empty)}")
    return found


def _table(path: Path) -> pl.DataFrame:
    # A class may be called "1": names are text, whatever they look like.
    return pl.read_csv(path, schema_overrides={"candidate": pl.String, "class": pl.String}, infer_schema_length=None)


def _prevalence(figures: Facts) -> float:
    """The share of positives among the units of test whose truth is known."""
    positives: int = figures["positives"]
    negatives: int = figures["negatives"]
    return positives / (positives + negatives)
