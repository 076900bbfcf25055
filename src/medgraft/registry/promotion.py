"""From challenger to champion: what the model in use is, and the change of the aliases."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from medgraft.artifacts import Card
from medgraft.registry.packaged import Packaged, other_white
from medgraft.registry.registering import CHALLENGER, CHAMPION

PROMOTED_BECAUSE, REPLACED = "medgraft.promoted_because", "medgraft.replaced_version"


def champion_version(client: MlflowClient, model_name: str) -> str | None:
    """The number of the version in use."""
    aliases = client.get_registered_model(model_name).aliases
    return str(aliases[CHAMPION]) if CHAMPION in aliases else None


def incomparable(
    champion: Packaged, card: Card, metrics: Mapping[str, Any], groups: set[str], images: set[str]
) -> list[str]:
    """Why the champion's figures on this test split would mean nothing; empty if they do.

    `card` is the dataset's, `metrics` the challenger's metrics.json; `groups` and `images` are the ids of the dataset's
    test split.
    """
    who = f"the champion (version {champion.version})"
    if champion.foreign:
        return [f"{who} was not packed by medgraft, so overlap of its training patients with this test set is unknown"]
    package, unit = champion.package, metrics["unit"]
    reasons = [f"{who}: {problem}" for problem in other_white(package, card)]
    if package["task"] != metrics["task"]:
        reasons.append(f"{who} predicts for a task that is {package['task']}, this one is {metrics['task']}")
    if package["classes"] != metrics["classes"]:
        theirs = ", ".join(package["classes"])
        reasons.append(f"{who} predicts the classes {theirs}, not {', '.join(metrics['classes'])}")
    if (package["unit"], package["aggregate"]) != (unit["of"], unit["aggregate"]):
        reasons.append(
            f"{who} was chosen and calibrated by {package['unit']} ({package['aggregate']} of its images), the "
            f"challenger by {unit['of']} ({unit['aggregate']}): thresholds of the one mean nothing for the other; set "
            "evaluation.unit and evaluation.aggregate as the champion has them, or take its alias away"
        )
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
