"""A registered model version, downloaded: what its package says of itself, and its answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from medgraft.artifacts import Card, read_json
from medgraft.errors import UserError
from medgraft.registry.package import CONTENT, PACKAGE, TRAINING_GROUPS

NAMED = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class Packaged:
    """A model version and its package, copied to `folder`."""

    version: str
    folder: Path

    @property
    def foreign(self) -> bool:
        """Whether the package is not one of medgraft's: its training patients are unknown then."""
        return not all((self.content / name).is_file() for name in (PACKAGE, TRAINING_GROUPS))

    @property
    def content(self) -> Path:
        """The folder of medgraft's own files."""
        return self.folder / CONTENT

    @property
    def package(self) -> dict[str, Any]:
        """Its package.json."""
        package: dict[str, Any] = read_json(self.content / PACKAGE)
        return package

    @property
    def training(self) -> dict[str, Any]:
        """HMAC ids of the patients and images it was fitted or chosen on, and the id of their key."""
        training: dict[str, Any] = read_json(self.content / TRAINING_GROUPS)
        return training

    def load(self) -> PyFuncModel:
        """The model, ready to be asked."""
        model: PyFuncModel = mlflow.pyfunc.load_model(str(self.folder))
        return model


def find_version(client: MlflowClient, named: str) -> ModelVersion:
    """The version that `name@alias` or `name/number` stands for, `models:/` before it or not."""
    found = NAMED.fullmatch(named)
    if found is None:
        raise UserError(f"'{named}' names no registered model; write name@alias or name/version")
    try:
        if found["alias"]:
            return client.get_model_version_by_alias(found["name"], found["alias"])
        return client.get_model_version(found["name"], found["version"])
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise UserError(
                f"the MLflow server has no model '{named}'; look its name and aliases up there (a version has the "
                "alias challenger once it is registered, champion once it is promoted)"
            ) from error
        raise


def download(client: MlflowClient, model_name: str, version: str, folder: Path) -> Packaged:
    """The package of a version, copied below `folder`."""
    uri = client.get_model_version_download_uri(model_name, version)
    path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=client.tracking_uri)
    return Packaged(version, Path(path))


def other_white(package: Mapping[str, Any], card: Card) -> list[str]:
    """A problem where the dataset's images with more than 8 bits are of another brightness than the model serves."""
    if card["white"] is None or card["white"] == package["white"]:
        return []
    return [
        f"images with more than 8 bits: {package['white'] or 'no value (it refuses them)'} is white for it, "
        f"this data set was ingested with {card['white']}; ingest it with dataset.white as the model has it"
    ]
