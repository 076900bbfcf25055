"""An evaluation as MLflow shows it: one run for the evaluation, one nested in it for each candidate."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Run, ViewType

from medgraft.artifacts import SEARCH, SEARCH_PLOT, read_json
from medgraft.registry.card import NAMES, interval, packaged_fit, warnings
from medgraft.registry.figures import candidate_measurements, flatten, headline
from medgraft.registry.runs import FINGERPRINT, PARENT, experiment_id, find_or_create, finished, log, search
from medgraft.registry.winner import Winner

TEST_SET, CANDIDATE = "medgraft.test_set", "medgraft.candidate"
NOTE = "mlflow.note.content"  # shown as the run's description
SHOWN = ("report.html", "metrics.json", "selection.json", "ledger.json", "cost.json", "plots")


@dataclass(frozen=True)
class Tracked:
    """The evaluation's run."""

    experiment_id: str
    run_id: str


def count_openings(client: MlflowClient, experiment: str, winner: Winner) -> int:
    """How often the test set's labels were opened, as far as the ledger or this experiment knows.

    Every distinct evaluation is one opening; a deleted run still counts: who looked has looked.
    """
    fingerprints = {winner.evaluation["fingerprint"]}
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        runs = search(client, found.experiment_id, {TEST_SET: winner.dataset["test_set"]}, ViewType.ALL)
        fingerprints |= {run.data.tags[FINGERPRINT] for run in runs}
    return max(int(winner.ledger["openings"]), len(fingerprints))


def track(
    client: MlflowClient,
    experiment: str,
    winner: Winner,
    candidates: Path,
    evaluation: Path,
    params: Mapping[str, Any],
    openings: int,
) -> Tracked:
    """Log the evaluation and its candidates, or what is still missing of them; finished runs are left alone."""
    where = experiment_id(client, experiment)
    name = f"{winner.dataset['name']} {winner.evaluation['fingerprint'][:8]}"
    parent = find_or_create(client, where, name, _tags(winner.evaluation["fingerprint"]) | _identity(winner))
    for candidate, card in winner.cards.items():
        own = _tags(card["fingerprint"]) | {CANDIDATE: candidate, PARENT: parent.info.run_id}
        child = find_or_create(client, where, candidate, own)
        if not finished(child):
            _log_candidate(client, child, winner, candidate, candidates, evaluation)
    if not finished(parent):
        _log_evaluation(client, parent, winner, evaluation, params, openings)
    return Tracked(where, parent.info.run_id)


def summary(winner: Winner, openings: int) -> str:
    """What a stranger should read first, in Markdown."""
    metrics, metric = winner.metrics, winner.metrics["metric"]
    test = winner.dataset["splits"]["test"]
    lines = [
        f"**`{winner.name}`** was chosen among {len(metrics['candidates'])} candidates by {NAMES[metric]} on the "
        f"validation split of `{winner.dataset['name']}`.",
        f"On the test split ({test['images']} images of {test['groups']} patients): {NAMES[metric]} "
        f"{interval(winner.figures['test']['macro'][metric])}, 95 % interval. This test set has been opened "
        f"{'once' if openings == 1 else f'{openings} times'}.",
        *(f"**Warning:** {warning}" for warning in warnings(winner)),
        "Not a medical device.",
    ]
    return "\n\n".join(lines)


def _tags(fingerprint: str) -> dict[str, str]:
    return {FINGERPRINT: fingerprint, "mlflow.source.name": "medgraft register", "mlflow.source.type": "LOCAL"}


def _identity(winner: Winner) -> dict[str, str]:
    return {
        TEST_SET: winner.dataset["test_set"],
        "medgraft.dataset": winner.dataset["fingerprint"],
        "medgraft.winner": winner.name,
    }


def _log_candidate(
    client: MlflowClient, run: Run, winner: Winner, name: str, candidates: Path, evaluation: Path
) -> None:
    card = winner.cards[name]
    history = pl.read_parquet(candidates / name / "history.parquet")
    cost = read_json(evaluation / "cost.json").get(name, {})
    known = {"strategy": card["strategy"], "initializations": list(card["initializations"]), "looks": card["looks"]}
    if (candidates / name / SEARCH).is_file():
        known["search"] = {"chosen": read_json(candidates / name / SEARCH)["chosen"]}
    params = flatten(known | card["settings"] | {"packaged_fit": packaged_fit(card["fits"])})
    figures = winner.metrics["candidates"][name]
    metric, scored = winner.metrics["metric"], winner.metrics["scored"]
    log(client, run, params, candidate_measurements(figures, metric, scored, history, cost))
    _log_dataset(client, run, winner)
    for file in (SEARCH, SEARCH_PLOT):
        if (candidates / name / file).is_file():
            client.log_artifact(run.info.run_id, str(candidates / name / file))
    client.set_terminated(run.info.run_id)


def _log_evaluation(
    client: MlflowClient, run: Run, winner: Winner, evaluation: Path, params: Mapping[str, Any], openings: int
) -> None:
    flat = flatten(params)
    for where in ("registration.tracking_uri", "dataset.source"):  # where, not what; and it may hold a password
        flat.pop(where, None)
    log(client, run, flat | {"winner": winner.name}, headline(winner.figures, winner.metrics["metric"]))
    _log_dataset(client, run, winner)
    for name in SHOWN:
        path = evaluation / name
        if path.is_dir():
            client.log_artifacts(run.info.run_id, str(path), name)
        else:
            client.log_artifact(run.info.run_id, str(path))
    client.set_tag(run.info.run_id, NOTE, summary(winner, openings))
    client.set_terminated(run.info.run_id)


def _log_dataset(client: MlflowClient, run: Run, winner: Winner) -> None:
    card = winner.dataset
    data = Dataset(
        name=card["name"],
        digest=card["fingerprint"],
        source_type="local",
        source=json.dumps({"fingerprint": card["fingerprint"]}),  # where it lies may hold a password or a name
        profile=json.dumps(card["splits"], ensure_ascii=False),
    )
    client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "evaluation")])])
