"""evaluate: all candidates of the plan → the choice on validation, then the sealed test, and the report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.artifacts import Card, fingerprint, read_card, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, read_rows, read_sealed
from medgraft.errors import UserError
from medgraft.evaluation.choosing import Judge, Size, candidate_score, judge, readouts, validation_facts
from medgraft.evaluation.cost import latency
from medgraft.evaluation.ledger import record_opening
from medgraft.evaluation.plots import write_plots
from medgraft.evaluation.report import write_report
from medgraft.evaluation.results import Candidate, Part, part, read_candidate
from medgraft.evaluation.selection import Selection, select
from medgraft.evaluation.testing import Readouts, calibration, curve, difference, packaged, packaged_figures
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.network import WEIGHTS, load_network
from medgraft.params import Evaluation
from medgraft.stages import STAGES
from medgraft.stages.agreement import require_candidate, require_dataset
from medgraft.stages.running import produce, read_item
from medgraft.store import Store


def run(plan: Path, dataset: Path, sealed: Path, candidates: Path, evaluation: Path, store: Store) -> str:
    """Choose on validation, write the choice down, then open the sealed test once; returns how it came about.

    Only the plan's candidates are read, whatever else lies in `candidates`. Raises `UserError` when the artifacts
    do not belong together.
    """
    item = read_item(plan, "evaluate")
    names: list[str] = item["candidates"]
    settings = Evaluation(**{key: item[key] for key in Evaluation.model_fields})
    card = dataset_card(dataset)
    labels = read_card(sealed, "sealed")
    if labels["made_from"].get("dataset") != card["fingerprint"]:
        raise UserError(f"{sealed} does not hold the labels of {dataset}; run `medgraft ingest`, which makes both")
    require_dataset(plan, card)
    made_from = {"dataset": card["fingerprint"], "sealed": labels["fingerprint"]}
    for name in names:
        fitted = read_card(candidates / name, "candidate")
        require_candidate(plan, fitted)
        made_from[name] = fitted["fingerprint"]
    matters = settings.model_dump() | {"candidates": names}
    print_ = fingerprint("evaluation", matters, made_from, code_version(STAGES["evaluate"].code))

    def build(folders: dict[str, Path]) -> None:
        _build(folders["evaluation"], print_, made_from, settings, names, dataset, sealed, candidates, store)

    outcome = produce({"evaluation": evaluation}, {"evaluation": print_}, store, build)
    _refresh_ledger(evaluation, print_, dataset, candidates, names, card, store)
    return outcome


def _build(
    folder: Path,
    print_: str,
    made_from: dict[str, str],
    settings: Evaluation,
    names: Sequence[str],
    dataset: Path,
    sealed: Path,
    folders: Path,
    store: Store,
) -> None:
    card = dataset_card(dataset)
    rows = read_rows(dataset, ["validation", "test"])
    validation_rows = rows.filter((pl.col("split") == "validation") & pl.col("label").is_not_null())
    validation = part(
        "validation",
        validation_rows,
        dict(zip(validation_rows["image_id"], validation_rows["label"], strict=True)),
    )
    test_rows = rows.filter(pl.col("split") == "test")
    unopened = part("test", test_rows, dict.fromkeys(test_rows["image_id"], 0))
    found = [
        read_candidate(folders / n, {"validation": validation, "test": unopened}, card["fingerprint"]) for n in names
    ]
    scored = [card["classes"].index(label) for label in card["scored"]]
    by = judge(settings, card["task"] == "binary", scored, [validation, unopened])
    read = {c.name: readouts(c, validation, by) for c in found}
    sizes = {c.name: _size(c) for c in found}
    scores = [candidate_score(c, validation, read[c.name], sizes[c.name], by) for c in found]
    selection = select(scores)
    write_json(folder / "selection.json", asdict(selection))
    opening = record_opening(store, card["test_set"], print_)
    labels = read_sealed(sealed)
    if sorted(labels) != unopened.image_ids:
        raise UserError(f"{sealed} does not hold the labels of {dataset}'s test split; run `medgraft ingest` again")
    test = part("test", test_rows, labels)
    write_json(folder / "ledger.json", asdict(opening))
    on_validation = {score.name: validation_facts(score) for score in scores}
    metrics = _metrics(card, settings, selection, found, on_validation, validation, test, read, by, sizes)
    write_json(folder / "metrics.json", metrics)
    _write_predictions(folder, found, [validation, test], read)
    curves = {name: facts["curve"] for name, facts in metrics["candidates"].items()}
    write_plots(folder / "plots", found, selection.winner, test, read, by, card["classes"], curves)
    write_json(folder / "cost.json", {c.name: latency(load_network(c.folder)) for c in found})
    write_card(folder, "evaluation", print_, made_from, winner=selection.winner, warnings=card["warnings"])
    _report(folder, dataset, [c.card for c in found])


def _refresh_ledger(
    evaluation: Path,
    print_: str,
    dataset: Path,
    candidates: Path,
    names: Sequence[str],
    card: Card,
    store: Store,
) -> None:
    """A finished evaluation states how often its test set was opened *by now*, also when it is restored."""
    opening = asdict(record_opening(store, card["test_set"], print_))
    if read_json(evaluation / "ledger.json") != opening:
        write_json(evaluation / "ledger.json", opening)
        _report(evaluation, dataset, [read_card(candidates / name, "candidate") for name in names])


def _report(folder: Path, dataset: Path, candidates: Sequence[Card]) -> None:
    card = dataset_card(dataset)
    write_report(
        folder,
        quality=read_json(dataset / "quality.json"),
        dataset_card=card,
        cost=read_json(folder / "cost.json"),
        ledger=read_json(folder / "ledger.json"),
        provenance=_provenance(card, candidates, read_card(folder, "evaluation")),
        initializations={name: origin for c in candidates for name, origin in c["origins"].items()},
    )


def _metrics(
    card: Mapping[str, Any],
    settings: Evaluation,
    selection: Selection,
    found: Sequence[Candidate],
    on_validation: Mapping[str, dict[str, Any]],
    validation: Part,
    test: Part,
    read: Mapping[str, Readouts],
    by: Judge,
    sizes: Mapping[str, Size],
) -> dict[str, Any]:
    reference = next(c for c in found if c.name == (settings.reference or found[0].name))
    candidates = {}
    for c in found:
        candidates[c.name] = {
            "strategy": c.card["strategy"],
            "initializations": list(c.card["initializations"]),
            **asdict(sizes[c.name]),
            "temperature": read[c.name][packaged(c)].temperature,
            "warnings": c.card["warnings"],
            "validation": on_validation[c.name],
            "test": packaged_figures(c, test, read[c.name], by, card["classes"]),
            "difference": None if c is reference else difference(c, reference, test, read, by),
            "calibration": calibration(c, test, read[c.name]),
            "curve": curve(c, test, validation, read[c.name], by),
        }
    return {
        "task": card["task"],
        "classes": card["classes"],
        "scored": card["scored"],
        "unscored": card["unscored"],
        "metric": settings.metric,
        "reference": reference.name,
        "draws": settings.draws,
        "level": 0.95,
        "specificity_target": settings.specificity,
        "dataset": {key: card[key] for key in ("name", "fingerprint", "test_set", "splits", "warnings")},
        "winner": selection.winner,
        "best_on_validation": selection.best,
        "candidates": candidates,
    }


def _size(candidate: Candidate) -> Size:
    network = load_network(candidate.folder)
    return Size(parameter_count(network), mac_count(network), (candidate.folder / WEIGHTS).stat().st_size)


def _write_predictions(
    folder: Path, found: Sequence[Candidate], parts: Sequence[Part], read: Mapping[str, Readouts]
) -> None:
    frames = [
        pl.DataFrame(
            {
                "candidate": [c.name] * len(p.labels),
                "split": [p.name] * len(p.labels),
                "image_id": p.image_ids,
                "group_id": p.group_ids,
                "label": p.labels,
                "probabilities": read[c.name][packaged(c)].probabilities(c.logits[p.name][packaged(c)]).tolist(),
            }
        )
        for c in found
        for p in parts
    ]
    pl.concat(frames).write_parquet(folder / "predictions.parquet")


def _provenance(card: Card, candidates: Sequence[Card], evaluation: Card) -> list[dict[str, Any]]:
    rows = [{"artifact": "dataset", "name": card["name"], "fingerprint": card["fingerprint"], "made_from": {}}]
    rows += [
        {
            "artifact": "candidate",
            "name": c["name"],
            "fingerprint": c["fingerprint"],
            "made_from": c["made_from"],
        }
        for c in candidates
    ]
    last = {key: evaluation[key] for key in ("fingerprint", "made_from")}
    return [*rows, {"artifact": "evaluation", "name": "", **last}]
