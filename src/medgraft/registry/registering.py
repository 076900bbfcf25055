"""The model version: uploaded, registered and named `challenger`, each only if that is still to be done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from medgraft.registry.runs import FINGERPRINT
from medgraft.registry.tracking import Tracked

CHAMPION, CHALLENGER = "champion", "challenger"


def registered_version(client: MlflowClient, model_name: str, fingerprint: str) -> ModelVersion | None:
    """The version of the model that carries this registration's fingerprint; the first, should there be more."""
    found = client.search_model_versions(f"name = '{model_name}' and tags.`{FINGERPRINT}` = '{fingerprint}'")
    return min(found, key=lambda version: int(version.version), default=None)


def register(
    client: MlflowClient,
    model_name: str,
    package: Path,
    tracked: Tracked,
    tags: Mapping[str, str],
    description: str,
) -> ModelVersion:
    """Register the package as a version of `model_name`; `tags` holds its fingerprint.

    Killed and run again, it goes on: the model is uploaded once, registered once.
    """
    version = registered_version(client, model_name, tags[FINGERPRINT])
    if version is None:
        model = _uploaded(client, model_name, package, tracked, tags)
        _create_registered_model(client, model_name)
        version = client.create_model_version(
            model_name,
            source=model.model_uri,
            run_id=tracked.run_id,
            tags=dict(tags),
            description=description,
            model_id=model.model_id,
        )
    name_challenger(client, version)
    return version


def confirm(client: MlflowClient, fingerprint: str, receipt: Mapping[str, Any]) -> bool:
    """Whether the server has the version of the receipt; if so, it is challenger or champion afterwards."""
    version = registered_version(client, receipt["model_name"], fingerprint)
    if version is None or (str(version.version), version.run_id) != (receipt["version"], receipt["run_id"]):
        return False
    name_challenger(client, version)
    return True


def name_challenger(client: MlflowClient, version: ModelVersion) -> str:
    """Give the version the alias `challenger` unless it is the champion already; returns its alias."""
    aliases = client.get_registered_model(version.name).aliases
    if str(aliases.get(CHAMPION)) == str(version.version):
        return CHAMPION
    if str(aliases.get(CHALLENGER)) != str(version.version):
        client.set_registered_model_alias(version.name, CHALLENGER, version.version)
    return CHALLENGER


def _uploaded(
    client: MlflowClient, model_name: str, package: Path, tracked: Tracked, tags: Mapping[str, str]
) -> LoggedModel:
    condition = f"tags.`{FINGERPRINT}` = '{tags[FINGERPRINT]}'"
    found = list(client.search_logged_models([tracked.experiment_id], condition))
    if found:
        model = min(found, key=lambda model: (model.status != LoggedModelStatus.READY, model.model_id))
    else:
        model = client.create_logged_model(
            tracked.experiment_id, model_name, tracked.run_id, dict(tags), model_type="classifier"
        )
    if model.status != LoggedModelStatus.READY:
        client.log_model_artifacts(model.model_id, str(package))
        model = client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    outputs = client.get_run(tracked.run_id).outputs
    if model.model_id not in [output.model_id for output in (outputs.model_outputs if outputs else [])]:
        client.log_outputs(tracked.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def _create_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
