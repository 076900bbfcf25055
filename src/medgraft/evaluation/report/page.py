"""The report as a page: reads the evaluation's files, draws the charts, fills the template."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from medgraft.artifacts import read_json
from medgraft.data.scoring import MIN_GROUPS
from medgraft.evaluation.advising import read_advice
from medgraft.evaluation.calibration import BINS
from medgraft.evaluation.cautions import subgroup_cautions
from medgraft.evaluation.checklists import checklists
from medgraft.evaluation.checklists.facts import known
from medgraft.evaluation.report import panels
from medgraft.evaluation.report.advised import advised
from medgraft.evaluation.report.efficiency import comparisons, latencies
from medgraft.evaluation.report.forest import forests
from medgraft.evaluation.report.formats import FILTERS, headline
from medgraft.evaluation.report.pictures import cases, pairs
from medgraft.evaluation.report.searched import looks, searched
from medgraft.evaluation.searches import SEARCHES
from medgraft.evaluation.wording import unit

Facts = Mapping[str, Any]
ROWS_SHOWN = 50  # of a long table


def write_report(
    folder: Path,
    *,
    dataset: Path,
    quality: Facts,
    dataset_card: Facts,
    cost: Mapping[str, Facts],
    ledger: Facts,
    provenance: Sequence[Facts],
    initializations: Mapping[str, Facts],
) -> None:
    """Write `folder/report.html` from the evaluation's files.

    Those are metrics, selection, searches, failures and, where there was a ranking, advice.json, plots and gallery.
    One file without scripts or requests, its pictures inside; the same bytes for the same inputs. `dataset` is the
    folder of the data set, for its thumbnails; `quality` is its quality report; `cost` and `ledger` are the values of
    cost.json and ledger.json; `provenance` holds `{"artifact", "name", "fingerprint", "made_from": {…}}` of every
    artifact; `initializations` their cards by name.
    Raises `ValueError` when these are not of one evaluation, `UserError` when a file is missing or damaged.
    """
    metrics, selection = read_json(folder / "metrics.json"), read_json(folder / "selection.json")
    searches = read_json(folder / SEARCHES)
    _check(metrics, selection, dataset_card, ledger)
    # Everywhere in the order of the leaderboard.
    metrics["candidates"] = {row["name"]: metrics["candidates"][row["name"]] for row in selection["rows"]}
    figures = _figures(folder, metrics, dataset, dataset_card, quality)
    facts = known(metrics, dataset_card, quality, figures["failures"], initializations, ledger["openings"])
    page = (
        _environment()
        .get_template("report.html")
        .render(
            **figures,
            tested=dataset_card["splits"]["test"],
            selection=selection,
            cost=cost,
            latency=latencies(cost),
            comparisons=comparisons(metrics["candidates"], cost),
            looks=looks(metrics, searches),
            searches=searched(searches, metrics["task"]),
            advice=advised(read_advice(folder), metrics["task"]),
            ledger=ledger,
            provenance=provenance,
            initializations=initializations,
            other_warnings=_other_warnings(metrics),
            learning_curves=panels.learning_curves(metrics),
            checklists=checklists(facts),
        )
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def write_validation_report(folder: Path, *, dataset: Path, quality: Facts, dataset_card: Facts, ledger: Facts) -> None:
    """Write `folder/report.html` of a model that was not chosen here, from the same files but selection.json.

    metrics.json has that one candidate; all labelled images of the data set are its test. Otherwise as `write_report`.
    """
    metrics = read_json(folder / "metrics.json")
    _check_test_set(metrics, dataset_card, ledger)
    labelled = [split for name, split in dataset_card["splits"].items() if name != "unlabelled"]
    tested = {key: sum(split[key] for split in labelled) for key in ("images", "groups")}
    figures = _figures(folder, metrics, dataset, dataset_card, quality)
    page = _environment().get_template("validation.html").render(**figures, tested=tested, ledger=ledger)
    (folder / "report.html").write_text(page, encoding="utf-8")


def _figures(folder: Path, metrics: Facts, dataset: Path, dataset_card: Facts, quality: Facts) -> dict[str, Any]:
    """What both kinds of report say of a data set and of the one model in the middle."""
    failures = read_json(folder / "failures.json")
    winner = metrics["candidates"][metrics["winner"]]
    per_class = winner["test"]["per_class"]
    lists = ("near_duplicates", "suspects", "conflicts")
    return {
        "metrics": metrics,
        "dataset": dataset_card,
        "quality": quality,
        "failures": failures,
        "winner": winner,
        "metric": headline(metrics["metric"], metrics["task"]),
        "unit": unit(metrics["unit"]),
        "warnings": _warnings(metrics, dataset_card),
        "ranking": panels.ranking(folder, metrics),
        "reliability": panels.reliability(folder, metrics),
        "decisions": panels.decisions(folder, metrics),
        "forests": forests(metrics["subgroups"], per_class, metrics["scored"]),
        "cautions": subgroup_cautions(metrics["subgroups"], per_class),
        "mistakes": cases(failures["mistakes"], folder),
        "correct": cases(failures["correct"], folder),
        "pairs": {name: pairs(quality[name], quality["thumbnails"], dataset) for name in lists},
    }


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
    environment.globals |= {"least_groups": MIN_GROUPS, "bins": BINS, "rows_shown": ROWS_SHOWN}
    return environment


def _check(metrics: Facts, selection: Facts, dataset: Facts, ledger: Facts) -> None:
    names = {row["name"] for row in selection["rows"]}
    if selection["winner"] != metrics["winner"] or names != set(metrics["candidates"]):
        raise ValueError(f"selection.json is of {sorted(names)}, metrics.json of {sorted(metrics['candidates'])}")
    _check_test_set(metrics, dataset, ledger)


def _check_test_set(metrics: Facts, dataset: Facts, ledger: Facts) -> None:
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
