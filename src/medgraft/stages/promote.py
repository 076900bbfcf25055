"""promote: the registered challenger becomes champion, if the gate of params.yaml lets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from medgraft.artifacts import Card, read_card, read_json
from medgraft.data.dataset import patients, read_labels, read_rows
from medgraft.errors import UserError, raise_all
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.figures import macro_values
from medgraft.evaluation.gate import promotion_gate
from medgraft.evaluation.judge import judge
from medgraft.evaluation.parts import part
from medgraft.evaluation.readout import fixed_readout, reading
from medgraft.evaluation.uncertainty import Difference
from medgraft.params import Evaluation, Registration
from medgraft.registry.packaged import Packaged, download
from medgraft.registry.prediction import predict_dataset
from medgraft.registry.promotion import champion_version, end_challenge, incomparable, promote
from medgraft.registry.registering import registered_version
from medgraft.registry.server import connect, shown, talking
from medgraft.registry.winner import require_made_from
from medgraft.seeds import derive
from medgraft.stages.running import read_item


@dataclass(frozen=True)
class Outcome:
    """The champion's version; `promoted` is False if it was champion already; `reasons` for the promotion."""

    model_name: str
    version: str
    promoted: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        if not self.promoted:
            return f"{self.model_name} version {self.version} is the champion already"
        reasons = "".join(f"\n  - {reason}" for reason in self.reasons)
        return f"{self.model_name} version {self.version} is now the champion:{reasons}"


def run(plan: Path, dataset: Path, evaluation: Path, registration: Path) -> Outcome:
    """Hold the registered version against the gate and, if it passes, give it the alias `champion`.

    The version loses `challenger`: a champion challenges nobody. Raises `UserError` with every reason why not, and
    changes nothing then. Run again, it says that the version is champion already.
    """
    item = read_item(plan, "register")
    settings = Registration(**{key: item[key] for key in Registration.model_fields})
    card = read_card(registration, "registration")
    dataset_card, evaluation_card = read_card(dataset, "dataset"), read_card(evaluation, "evaluation")
    for folder, source in ((dataset, dataset_card), (evaluation, evaluation_card)):
        require_made_from(registration, card, folder, source, "medgraft register")
    metrics = read_json(evaluation / "metrics.json")
    name = card["model_name"]
    client = connect(settings.tracking_uri)
    with talking(client), TemporaryDirectory() as temporary:
        version = registered_version(client, name, card["fingerprint"])
        if version is None:
            raise UserError(
                f"the MLflow server {shown(client.tracking_uri)} has no version of '{name}' with fingerprint "
                f"{card['fingerprint']}; run `medgraft register`"
            )
        current = champion_version(client, name)
        if current == str(version.version):
            end_challenge(client, version)
            return Outcome(name, current, promoted=False, reasons=())
        champion = download(client, name, current, Path(temporary)) if current else None
        reasons = _gate(settings, metrics, dataset, dataset_card, evaluation, champion)
        promote(client, version, reasons, current)
    return Outcome(name, str(version.version), promoted=True, reasons=tuple(reasons))


def _gate(
    settings: Registration,
    metrics: dict[str, Any],
    dataset: Path,
    card: Card,
    evaluation: Path,
    champion: Packaged | None,
) -> list[str]:
    """What speaks for the challenger; raises `UserError` with everything that speaks against it."""
    metric, winner = metrics["metric"], metrics["winner"]
    lower = metrics["candidates"][winner]["test"]["macro"][metric]["low"]
    against: list[str] = []
    difference = None
    if champion is not None:
        test = read_rows(dataset, ["test"])
        against = incomparable(champion, card, metrics, patients(dataset, ["test"]), set(test["image_id"]))
        if not against:
            difference = _difference(metrics, dataset, evaluation, champion)
    gate = promotion_gate(lower, settings.gate.minimum, difference, settings.gate.margin)
    raise_all([*gate.reasons, *against], f"the promotion of '{winner}'")
    reasons = [f"{metric} on test: lower bound of the 95 % interval {lower:.4f}, minimum {settings.gate.minimum:.4f}"]
    if champion is None or difference is None:
        return [*reasons, "there was no champion"]
    return [
        *reasons,
        f"{metric} minus that of version {champion.version} on the same patients: one-sided 95 % lower bound "
        f"{difference.lower_one_sided:.4f}, margin {settings.gate.margin:.4f}",
    ]


def _difference(metrics: dict[str, Any], dataset: Path, evaluation: Path, champion: Packaged) -> Difference:
    """Challenger − champion in the metric: both scored on the same units and resampled patients of the test split."""
    stored = pl.read_parquet(evaluation / "predictions.parquet")
    stored = stored.filter(pl.col("candidate") == metrics["winner"], pl.col("split") == "test")
    labels = {i: label for i, label in zip(stored["image_id"], read_labels(stored), strict=True) if label is not None}
    unit, seed = metrics["unit"], derive("promotion", metrics["dataset"]["test_set"])
    settings = Evaluation(unit=unit["of"], aggregate=unit["aggregate"], draws=metrics["draws"], seed=seed)
    test = part("test", read_rows(dataset, ["test"]), labels, judge(metrics, settings))
    own = dict(zip(stored["image_id"], stored["probabilities"].to_list(), strict=True))
    theirs = predict_dataset(champion.load(), dataset, ["test"])

    def values(probabilities: Mapping[str, Any], decision: Mapping[str, float | None]) -> Floats:
        # As served, both: rounding makes ties.
        p = np.asarray([probabilities[i] for i in test.image_ids], dtype=np.float32).astype(np.float64)
        # Thresholds at a target: no metric one can choose by needs them.
        readout = fixed_readout(metrics["task"], metrics["classes"], {}, {}, decision)
        return macro_values(metrics["metric"], reading(test, readout, p))

    return test.sampling.difference(
        values(own, _own_decision(metrics)) - values(theirs, _champions_decision(champion, metrics))
    )


def _own_decision(metrics: dict[str, Any]) -> dict[str, float | None]:
    test = metrics["candidates"][metrics["winner"]]["test"]
    if metrics["task"] == "binary":
        return {metrics["classes"][1]: test["decision_threshold"]}
    return {label: facts["decision_threshold"] for label, facts in test["per_class"].items()}


def _champions_decision(champion: Packaged, metrics: dict[str, Any]) -> dict[str, float | None]:
    if metrics["task"] == "binary":
        return {metrics["classes"][1]: champion.package["decision_threshold"]}
    stored: dict[str, float | None] = champion.package["decision_thresholds"] if metrics["task"] == "multilabel" else {}
    return stored
