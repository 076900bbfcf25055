"""A validation as MLflow shows it: a run of its own, and a tag on the version that was validated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from medgraft.registry.card import NAMES, interval
from medgraft.registry.figures import macro_measurements
from medgraft.registry.runs import FINGERPRINT, experiment_id, find_or_create, finished, log
from medgraft.registry.withdrawal import DATASET

VALIDATES, VALIDATED = "medgraft.validates", "medgraft.validated"
SHOWN = ("report.html", "metrics.json", "ledger.json")


def track_validation(
    client: MlflowClient,
    experiment: str,
    version: ModelVersion,
    folder: Path,
    fingerprint: str,
    metrics: Mapping[str, Any],
) -> str:
    """Log the validation's figures and report, or what is still missing of them; returns the run's id."""
    model, dataset = f"{version.name}/{version.version}", metrics["dataset"]
    tags = {FINGERPRINT: fingerprint, DATASET: dataset["fingerprint"], VALIDATES: model}
    run = find_or_create(client, experiment_id(client, experiment), f"{model} on {dataset['name']}", tags)
    test = metrics["candidates"][metrics["winner"]]["test"]
    if not finished(run):
        params = {"model": model, "dataset": dataset["name"], "unit": metrics["unit"]["of"]}
        log(client, run, params, macro_measurements(test["macro"]))
        for name in SHOWN:
            client.log_artifact(run.info.run_id, str(folder / name))
        client.set_terminated(run.info.run_id)
    metric = metrics["metric"]
    said = f"{NAMES[metric]} {interval(test['macro'][metric])} by {metrics['unit']['of']}"
    client.set_model_version_tag(version.name, version.version, f"{VALIDATED}.{dataset['name']}", said)
    return str(run.info.run_id)
