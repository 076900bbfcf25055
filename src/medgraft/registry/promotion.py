"""From challenger to champion: what the model in use is, and the change of the aliases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.pyfunc import PyFuncModel

from medgraft.artifacts import Card, read_json
from medgraft.registry.package import CONTENT, PACKAGE, TRAINING_GROUPS
from medgraft.registry.registering import CHALLENGER, CHAMPION

PROMOTED_BECAUSE, REPLACED = "medgraft.promoted_because", "medgraft.replaced_version"


@dataclass(frozen=True)
class Champion:
    """The version in use and, where medgraft packed it, its downloaded package."""

    version: str
    folder: Path

    @property
    def foreign(self) -> bool:
        """Whether the package is not one of medgraft's: its training patients are unknown then."""
        return not all((self.folder / CONTENT / name).is_file() for name in (PACKAGE, TRAINING_GROUPS))

    @property
    def package(self) -> dict[str, Any]:
        """Its package.json."""
        package: dict[str, Any] = read_json(self.folder / CONTENT / PACKAGE)
        return package

    @property
    def training(self) -> dict[str, Any]:
        """HMAC ids of the patients and images it was fitted or chosen on, and the id of their key."""
        training: dict[str, Any] = read_json(self.folder / CONTENT / TRAINING_GROUPS)
        return training

    def load(self) -> PyFuncModel:
        """The model, ready to be asked."""
        model: PyFuncModel = mlflow.pyfunc.load_model(str(self.folder))
        return model


def champion_version(client: MlflowClient, model_name: str) -> str | None:
    """The number of the version in use."""
    aliases = client.get_registered_model(model_name).aliases
    return str(aliases[CHAMPION]) if CHAMPION in aliases else None


def download_champion(client: MlflowClient, model_name: str, version: str, folder: Path) -> Champion:
    """Its package, copied below `folder`."""
    uri = client.get_model_version_download_uri(model_name, version)
    path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=client.tracking_uri)
    return Champion(version, Path(path))


def incomparable(
    champion: Champion, card: Card, classes: Sequence[str], groups: set[str], images: set[str]
) -> list[str]:
    """Why the champion's figures on this test split would mean nothing; empty if they do.

    `card` is the dataset's; `groups` and `images` are the ids of its test split.
    """
    who = f"the champion (version {champion.version})"
    if champion.foreign:
        return [f"{who} was not packed by medgraft, so overlap of its training patients with this test set is unknown"]
    reasons = []
    theirs = champion.package["classes"]
    if list(theirs) != list(classes):
        reasons.append(f"{who} predicts the classes {', '.join(theirs)}, not {', '.join(classes)}")
    training = champion.training
    if training["key_id"] != card["key_id"]:
        reasons.append(
            f"{who} was trained on patients named by group key {training['key_id']}, this data set's are named by "
            f"{card['key_id']}: overlap with this test set cannot be checked"
        )
    else:
        seen, copies = len(groups & set(training["groups"])), len(images & set(training["images"]))
        if seen or copies:
            reasons.append(
                f"{who} was trained on {seen} patients and {copies} images of this test set, so it would look "
                "better here than it is; compare on patients new to both"
            )
    return reasons


def promote(client: MlflowClient, version: ModelVersion, reasons: Sequence[str], replaced: str | None) -> None:
    """Make the version champion: reasons first, so that no champion is without them; then it is no challenger."""
    client.set_model_version_tag(version.name, version.version, PROMOTED_BECAUSE, "; ".join(reasons))
    client.set_model_version_tag(version.name, version.version, REPLACED, replaced or "none")
    client.set_registered_model_alias(version.name, CHAMPION, version.version)
    end_challenge(client, version)


def end_challenge(client: MlflowClient, version: ModelVersion) -> None:
    """Take the alias `challenger` from the version, if it has it: a champion challenges nobody."""
    aliases = client.get_registered_model(version.name).aliases
    if str(aliases.get(CHALLENGER)) == str(version.version):
        client.delete_registered_model_alias(version.name, CHALLENGER)
