"""Which runs and model versions of an MLflow server know a patient."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

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


def runs_with(client: MlflowClient, fingerprints: set[str]) -> Iterator[Run]:
    """Every run of every experiment, deleted ones too, that logged one of these artifacts or was made on one."""
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for run in search(client, experiment.experiment_id, {}, ViewType.ALL):
            if {run.data.tags.get(FINGERPRINT), run.data.tags.get(DATASET)} & fingerprints:
                yield run


def versions_with(client: MlflowClient, group: str, fingerprints: set[str]) -> Iterator[tuple[ModelVersion, str]]:
    """Model versions that were trained, chosen or judged on the patient, each with what is known of it.

    `group`: HMAC id. A version that medgraft packed carries its training patients; of others nothing is known, and
    that is said.
    """
    token = None
    while True:
        page = client.search_model_versions(max_results=PAGE, page_token=token)
        for version in page:
            known = _training_groups(client, version)
            if known is None:
                yield version, "not packed by medgraft: its training patients are unknown"
            elif group in known:
                yield version, "trained or chosen on the patient"
            elif {version.tags.get(FINGERPRINT), version.tags.get(DATASET)} & fingerprints:
                yield version, "judged on a data set with the patient"
        token = page.token
        if not token:
            return


def where(client: MlflowClient) -> str:
    """The server, without the user name and password its URI may hold."""
    return shown(client.tracking_uri)


def _training_groups(client: MlflowClient, version: ModelVersion) -> set[str] | None:
    """The HMAC ids in the package of a version; None where there are none."""
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
        return set(read_json(Path(path))["groups"])
