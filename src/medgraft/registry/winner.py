"""What is known of the model an evaluation chose, gathered from its artifacts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.artifacts import Card, read_card, read_json
from medgraft.errors import UserError


@dataclass(frozen=True)
class Winner:
    """The chosen candidate, its data set and its evaluation.

    `cards` are those of every candidate compared, by name; `quality` is the data set's quality report; `metrics`,
    `failures` and `ledger` are the evaluation's files.
    """

    name: str
    folder: Path
    cards: dict[str, Card]
    dataset: Card
    evaluation: Card
    quality: dict[str, Any]
    metrics: dict[str, Any]
    failures: dict[str, Any]
    ledger: dict[str, Any]

    @property
    def candidate(self) -> Card:
        """The winner's own card."""
        return self.cards[self.name]

    @property
    def figures(self) -> dict[str, Any]:
        """The winner's own part of metrics.json."""
        figures: dict[str, Any] = self.metrics["candidates"][self.name]
        return figures

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of everything the model and its figures come from."""
        return {
            "dataset": self.dataset["fingerprint"],
            "test_set": self.dataset["test_set"],
            "candidate": self.candidate["fingerprint"],
            "evaluation": self.evaluation["fingerprint"],
        }

    @property
    def spacing(self) -> list[float] | None:
        """Millimetres a voxel, along x, y, z, that volumes were brought to; None where they kept their own."""
        spacing: list[float] | None = self.dataset["asked"]["dataset"]["reader"].get("spacing")
        return spacing

    @property
    def operating_thresholds(self) -> dict[str, dict[str, float | None]]:
        """Of each scored class at the `specificity` and at the `sensitivity` asked for, chosen on validation."""
        points = self.figures["test"]["operating"]
        return {
            target: {point["class"]: point["threshold"] for point in points if point["target"] == target}
            for target in ("specificity", "sensitivity")
        }

    @property
    def decision_thresholds(self) -> dict[str, float | None] | None:
        """Of each class of a multilabel task, chosen on validation (Youden); None for other tasks."""
        if self.metrics["task"] != "multilabel":
            return None
        per_class = self.figures["test"]["per_class"]
        return {label: per_class[label]["decision_threshold"] for label in self.metrics["classes"]}


def read_winner(dataset: Path, candidates: Path, evaluation: Path) -> Winner:
    """Read it; raises `UserError` when the evaluation was made from another data set or other candidates."""
    evaluation_card = read_card(evaluation, "evaluation")
    metrics = read_json(evaluation / "metrics.json")
    dataset_card = read_card(dataset, "dataset")
    require_made_from(evaluation, evaluation_card, dataset, dataset_card, "medgraft evaluate")
    cards = {name: read_card(candidates / name, "candidate") for name in metrics["candidates"]}
    for name, card in cards.items():
        require_made_from(evaluation, evaluation_card, candidates / name, card, "medgraft evaluate")
    winner: str = metrics["winner"]
    return Winner(
        winner,
        candidates / winner,
        cards,
        dataset_card,
        evaluation_card,
        quality=read_json(dataset / "quality.json"),
        metrics=metrics,
        failures=read_json(evaluation / "failures.json"),
        ledger=read_json(evaluation / "ledger.json"),
    )


def require_made_from(made: Path, card: Card, source: Path, source_card: Card, remedy: str) -> None:
    """Raise `UserError` unless the artifact `made` was made from the artifact `source` as it is now."""
    if source_card["fingerprint"] not in card["made_from"].values():
        raise UserError(
            f"{made} was made from another {source_card['kind']} than {source} "
            f"(fingerprint {source_card['fingerprint']}); run `{remedy}` again"
        )
