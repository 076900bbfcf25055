"""evaluate: all candidates of the plan → the choice on validation, then the sealed test, and the report."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.artifacts import Card, fingerprint, read_card, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, read_labels, read_rows, read_sealed
from medgraft.data.labels import Label
from medgraft.errors import UserError
from medgraft.evaluation.advising import read_ranking, refresh_advice
from medgraft.evaluation.choosing import Contender, Size, candidate_score, contender
from medgraft.evaluation.cost import latencies
from medgraft.evaluation.failures import failures
from medgraft.evaluation.gallery import write_gallery
from medgraft.evaluation.judge import judge
from medgraft.evaluation.ledger import LEDGER, record_opening, refresh_opening
from medgraft.evaluation.parts import Part, part, refuse_contradictions, refuse_unusable
from medgraft.evaluation.plots import write_plots
from medgraft.evaluation.record import metrics, predictions
from medgraft.evaluation.report import write_report
from medgraft.evaluation.results import Candidate, read_candidate
from medgraft.evaluation.searches import SEARCHES, searches
from medgraft.evaluation.selection import select
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.export import MODEL
from medgraft.networks.network import load_network, read_spec
from medgraft.params import Evaluation
from medgraft.stages import STAGES
from medgraft.stages.agreement import require_candidate, require_dataset, require_sealed
from medgraft.stages.running import produce, read_item
from medgraft.store import Store


def run(
    plan: Path,
    dataset: Path,
    sealed: Path,
    candidates: Path,
    evaluation: Path,
    store: Store,
    ranking: Path | None = None,
) -> str:
    """Choose on validation, write the choice down, then open the sealed test once; returns how it came about.

    Only the plan's candidates are read, whatever else lies in `candidates`. A `ranking`, where there is one by now, is
    shown in the report and decides nothing. Raises `UserError` when the artifacts do not belong together, or the images
    cannot be put together as `evaluation.unit` says; test is not opened then.
    """
    item = read_item(plan, "evaluate")
    names: list[str] = item["candidates"]
    settings = Evaluation(**{key: item[key] for key in Evaluation.model_fields})
    card, labels = dataset_card(dataset), require_sealed(sealed, dataset)
    require_dataset(plan, card)
    ranked = read_ranking(ranking)
    fitted = [read_card(candidates / name, "candidate") for name in names]
    for candidate in fitted:
        require_candidate(plan, candidate)
    made_from = {"dataset": card["fingerprint"], "sealed": labels["fingerprint"]}
    made_from |= {name: candidate["fingerprint"] for name, candidate in zip(names, fitted, strict=True)}
    matters = settings.model_dump() | {"candidates": names}
    print_ = fingerprint("evaluation", matters, made_from, code_version(STAGES["evaluate"].code))

    def build(folders: dict[str, Path]) -> None:
        _build(folders["evaluation"], print_, made_from, settings, names, dataset, sealed, candidates, store)

    outcome = produce({"evaluation": evaluation}, {"evaluation": print_}, store, build)
    # What the report says of by now, beside what was computed once.
    counted = refresh_opening(store, card["test_set"], print_, evaluation)
    advised = refresh_advice(ranked, evaluation, fitted)
    if counted or advised:
        _report(evaluation, dataset, fitted)
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
    by = judge(card, settings)
    rows = read_rows(dataset, ["validation", "test"])
    refuse_unusable(rows, by)
    of_validation, of_test = (rows.filter(pl.col("split") == split) for split in ("validation", "test"))
    validation = part("validation", of_validation, _labels(of_validation), by)
    refuse_contradictions(validation)
    image_ids = {"validation": validation.image_ids, "test": of_test["image_id"].to_list()}
    found = [read_candidate(folders / name, image_ids, card["fingerprint"]) for name in names]
    contenders = [contender(candidate, _size(candidate), validation) for candidate in found]
    scores = [candidate_score(c, validation) for c in contenders]
    selection = select(scores)
    write_json(folder / "selection.json", asdict(selection))
    opening = record_opening(store, card["test_set"], print_)
    labels = read_sealed(sealed)
    if sorted(labels) != image_ids["test"]:
        raise UserError(f"{sealed} does not hold the labels of {dataset}'s test split; run `medgraft ingest` again")
    test = part("test", of_test, labels, by)
    write_json(folder / LEDGER, asdict(opening))
    figures = metrics(card, selection, contenders, scores, validation, test)
    write_json(folder / "metrics.json", figures)
    write_json(folder / SEARCHES, searches(found))
    predictions(contenders, [validation, test]).write_parquet(folder / "predictions.parquet")
    winner = next(c for c in contenders if c.name == selection.winner)
    _write_failures(folder, winner, test, dataset)
    curves = {name: facts["curve"] for name, facts in figures["candidates"].items()}
    readings = {c.name: c.read(test) for c in contenders}
    write_plots(folder / "plots", readings, selection.winner, figures["reference"], curves)
    models = {c.name: (c.folder / MODEL, read_spec(c.folder)) for c in found}
    write_json(folder / "cost.json", latencies(models))
    write_card(
        folder,
        "evaluation",
        print_,
        made_from,
        winner=selection.winner,
        warnings=figures["dataset"]["warnings"],
    )
    _report(folder, dataset, [c.card for c in found])


def _labels(rows: pl.DataFrame) -> dict[str, Label]:
    labels = zip(rows["image_id"], read_labels(rows), strict=True)
    return {image_id: label for image_id, label in labels if label is not None}


def _write_failures(folder: Path, winner: Contender, test: Part, dataset: Path) -> None:
    reading, settings = winner.read(test), test.by.settings
    found = failures(reading)
    write_json(folder / "failures.json", found.facts(settings.unit, settings.aggregate))
    network = load_network(winner.candidate.folder)
    cases = [*found.mistakes, *found.correct]
    write_gallery(folder / "gallery", cases, dataset, ["test"], network, reading.readout.temperature)


def _report(folder: Path, dataset: Path, candidates: Sequence[Card]) -> None:
    card = dataset_card(dataset)
    write_report(
        folder,
        dataset=dataset,
        quality=read_json(dataset / "quality.json"),
        dataset_card=card,
        cost=read_json(folder / "cost.json"),
        ledger=read_json(folder / LEDGER),
        provenance=_provenance(card, candidates, read_card(folder, "evaluation")),
        initializations={name: origin for c in candidates for name, origin in c["origins"].items()},
    )


def _size(candidate: Candidate) -> Size:
    network = load_network(candidate.folder)
    return Size(parameter_count(network), mac_count(network), (candidate.folder / MODEL).stat().st_size)


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
