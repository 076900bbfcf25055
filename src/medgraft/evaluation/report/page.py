"""The report as a page: reads the evaluation's files, draws the charts, fills the template."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medgraft.artifacts import read_json
from medgraft.evaluation.report import charts
from medgraft.evaluation.report.formats import FILTERS, headline, number
from medgraft.evaluation.report.svg import Line, line

Facts = Mapping[str, Any]


def write_report(
    folder: Path,
    *,
    quality: Facts,
    dataset_card: Facts,
    cost: Mapping[str, Facts],
    ledger: Facts,
    provenance: Sequence[Facts],
    initializations: Mapping[str, Facts],
) -> None:
    """Write `folder/report.html` from the evaluation's metrics.json, selection.json and plots/{roc,pr,reliability}.csv.

    One file without scripts or requests; the same bytes for the same inputs. `quality` is the data set's quality
    report; `cost` and `ledger` are the values of cost.json and ledger.json; `provenance` holds
    `{"artifact", "name", "fingerprint", "made_from": {…}}` of every artifact; `initializations` their cards by name.
    Raises `ValueError` when these are not of one evaluation, `UserError` when a file is missing or damaged.
    """
    metrics, selection = read_json(folder / "metrics.json"), read_json(folder / "selection.json")
    _check(metrics, selection, dataset_card, ledger)
    # Everywhere in the order of the leaderboard.
    metrics["candidates"] = {row["name"]: metrics["candidates"][row["name"]] for row in selection["rows"]}
    page = (
        _environment()
        .get_template("report.html")
        .render(
            metrics=metrics,
            selection=selection,
            dataset=dataset_card,
            quality=quality,
            cost=cost,
            ledger=ledger,
            provenance=provenance,
            initializations=initializations,
            winner=metrics["candidates"][metrics["winner"]],
            metric=headline(metrics["metric"], metrics["task"]),
            warnings=_warnings(metrics, dataset_card),
            other_warnings=_other_warnings(metrics),
            learning_curves=_learning_curves(metrics),
            ranking=_ranking(folder, metrics),
            reliability=_reliability(folder, metrics),
        )
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("medgraft.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    return environment


def _check(metrics: Facts, selection: Facts, dataset: Facts, ledger: Facts) -> None:
    names = {row["name"] for row in selection["rows"]}
    if selection["winner"] != metrics["winner"] or names != set(metrics["candidates"]):
        raise ValueError(f"selection.json is of {sorted(names)}, metrics.json of {sorted(metrics['candidates'])}")
    test_sets = {metrics["dataset"]["test_set"], dataset["test_set"], ledger["test_set"]}
    if len(test_sets) > 1:
        raise ValueError(f"metrics, data set and ledger are not of one test set: {sorted(test_sets)}")


def _warnings(metrics: Facts, dataset: Facts) -> list[str]:
    """Of the data set and of the winner, each once."""
    winner = metrics["candidates"][metrics["winner"]]
    return list(dict.fromkeys([*dataset["warnings"], *metrics["dataset"]["warnings"], *winner["warnings"]]))


def _other_warnings(metrics: Facts) -> list[tuple[str, str]]:
    others = [(name, facts) for name, facts in metrics["candidates"].items() if name != metrics["winner"]]
    return [(name, warning) for name, facts in others for warning in facts["warnings"]]


def _candidate_lines(metrics: Facts) -> dict[str, Line]:
    """The winner thick and in the first colour, the others in their order."""
    others = [name for name in metrics["candidates"] if name != metrics["winner"]]
    return {metrics["winner"]: line(0, 2.6)} | {name: line(i, 1.1) for i, name in enumerate(others, start=1)}


def _learning_curves(metrics: Facts) -> dict[str, Markup]:
    """A panel a candidate, or none where no candidate has more than one label fraction."""
    curves = {name: facts["curve"] for name, facts in metrics["candidates"].items()}
    if all(len(curve) < 2 for curve in curves.values()):
        return {}
    lines, metric = _candidate_lines(metrics), headline(metrics["metric"], metrics["task"])
    return {
        name: charts.learning_curve(name, curves, lines, metric, f"curve{index}") for index, name in enumerate(curves)
    }


def _ranking(folder: Path, metrics: Facts) -> Facts:
    """ROC and PR curves with their legend: every candidate if binary, else the winner's scored classes."""
    winner = metrics["winner"]
    figures = metrics["candidates"][winner]["test"]["per_class"]
    if metrics["task"] == "binary":
        (positive,) = metrics["scored"]
        lines = _candidate_lines(metrics)
        areas = {name: facts["test"]["macro"] for name, facts in metrics["candidates"].items()}
        prevalence = {name: _prevalence(metrics, figures[positive]["positives"]) for name in lines}
        keys = {name: (name, positive) for name in lines}
    else:
        lines = {label: line(index, 1.5) for index, label in enumerate(metrics["scored"])}
        areas = {label: figures[label] for label in lines}
        prevalence = {label: _prevalence(metrics, figures[label]["positives"]) for label in lines}
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


def _points(path: Path, keys: Mapping[str, tuple[str, str]]) -> dict[str, pl.DataFrame]:
    """The curve of each key (candidate, class), by name."""
    table = _table(path)
    found = {name: table.filter(candidate=candidate, **{"class": label}) for name, (candidate, label) in keys.items()}
    empty = [name for name, points in found.items() if not len(points)]
    if empty:
        raise ValueError(f"{path.name} has no curve of {', '.join(empty)}")
    return found


def _reliability(folder: Path, metrics: Facts) -> list[tuple[str, list[int], Markup]]:
    """The winner's diagrams of the scored classes, with their bins' counts."""
    bins = _table(folder / "plots" / "reliability.csv").filter(candidate=metrics["winner"])
    own = {label: bins.filter(**{"class": label}) for label in metrics["scored"]}
    return [
        (label, table["count"].to_list(), charts.reliability(table, label, f"reliability{index}"))
        for index, (label, table) in enumerate(own.items())
    ]


def _table(path: Path) -> pl.DataFrame:
    # A class may be called "1": names are text, whatever they look like.
    return pl.read_csv(path, schema_overrides={"candidate": pl.String, "class": pl.String}, infer_schema_length=None)


def _prevalence(metrics: Facts, positives: int) -> float:
    images: int = metrics["dataset"]["splits"]["test"]["images"]
    return positives / images
