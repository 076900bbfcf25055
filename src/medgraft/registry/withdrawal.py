"""Which runs and model versions of an MLflow server know a patient."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from medgraft.artifacts import read_json
from medgraft.registry.package import CONTENT, TRAINING_GROUPS
from medgraft.registry.runs import FINGERPRINT, search
from medgraft.registry.server import shown

DATASET = "medgraft.dataset"
PAGE = 1000


def runs_with(client: MlflowClient, held: set[str], known: set[str]) -> Iterator[tuple[Run, str]]:
    """Runs of every experiment, deleted ones too, that logged an artifact of `held` or were made on one, and why.

    A run on a data set that is not among the `known` artifacts cannot be checked, and that is said.
    """
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for run in search(client, experiment.experiment_id, {}, ViewType.ALL):
            own, dataset = run.data.tags.get(FINGERPRINT), run.data.tags.get(DATASET)
            if {own, dataset} & held:
                yield run, "was made from it"
            elif own is not None and not {own, dataset} & known:
                yield run, "cannot be checked: its artifacts are not here any more"


def versions_with(client: MlflowClient, group: str, key_id: str, held: set[str]) -> Iterator[tuple[ModelVersion, str]]:
    """Model versions that were trained, chosen or judged on the patient, each with what is known of it.

    `group`: HMAC id under the key `key_id`. A version that medgraft packed carries its training patients; where there
    are none, or they are named by another key, that is said.
    """
    token = None
    while True:
        page = client.search_model_versions(max_results=PAGE, page_token=token)
        for version in page:
            training = _training_groups(client, version)
            if training is None:
                yield version, "not packed by medgraft: its training patients are unknown"
            elif group in training["groups"]:
                yield version, "trained or chosen on the patient"
            elif {version.tags.get(FINGERPRINT), version.tags.get(DATASET)} & held:
                yield version, "judged on a data set with the patient"
            elif training["key_id"] != key_id:
                yield version, f"cannot be checked: its patients are named by group key {training['key_id']}"
        token = page.token
        if not token:
            return


def where(client: MlflowClient) -> str:
    """The server, without the user name and password its URI may hold."""
    return shown(client.tracking_uri)


def _training_groups(client: MlflowClient, version: ModelVersion) -> dict[str, Any] | None:
    """HMAC ids in the package of a version, and the id of their key; None where there are none."""
    uri = client.get_model_version_download_uri(version.name, version.version)
    with TemporaryDirectory() as temporary:
        try:
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{uri}/{(CONTENT / TRAINING_GROUPS).as_posix()}",
                dst_path=temporary,
                tracking_uri=client.tracking_uri,
            )
        except (MlflowException, OSError):
            return None
        training: dict[str, Any] = read_json(Path(path))
        return training
