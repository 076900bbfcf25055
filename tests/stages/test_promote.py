"""The comparison with a champion, for grades and findings and for units of several images; the rest: test_register."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score
from tests.evaluation.artifacts import make_artifacts

from medgraft.artifacts import read_json
from medgraft.data.dataset import read_images, read_rows
from medgraft.registry.packaged import Packaged
from medgraft.stages import evaluate, promote
from medgraft.store import Store


class Answers:
    """A model that has learned its answers by heart."""

    def __init__(self, answers: dict[str, list[float]]) -> None:
        self.answers = answers

    def predict(self, request: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame([self.answers[text] for text in request["image"]])


@dataclass(frozen=True)
class Known(Packaged):
    """A champion whose package and answers are given."""

    facts: dict[str, Any]
    answers: dict[str, list[float]]

    @property
    def package(self) -> dict[str, Any]:
        return self.facts

    def load(self) -> Any:
        return Answers(self.answers)


def study(folder: Path, **settings: Any) -> tuple[Path, Path, dict[str, Any]]:
    """Dataset, evaluation and metrics of made-up artifacts."""
    inputs = make_artifacts(folder, **settings)
    evaluate.run(**inputs, evaluation=folder / "evaluation", store=Store(str(folder / "store")))
    return inputs["dataset"], folder / "evaluation", read_json(folder / "evaluation" / "metrics.json")


def champion(dataset: Path, evaluation: Path, candidate: str, metrics: dict[str, Any]) -> Known:
    """A candidate of the evaluation as the champion, thresholds and all."""
    rows = pl.read_parquet(evaluation / "predictions.parquet").filter(candidate=candidate, split="test")
    p = dict(zip(rows["image_id"], rows["probabilities"].to_list(), strict=True))
    raw = {image_id: base64.b64encode(data).decode() for image_id, data in read_images(dataset, ["test"])}
    per_class = metrics["candidates"][candidate]["test"]["per_class"]
    thresholds = {label: facts["decision_threshold"] for label, facts in per_class.items()}
    facts = {"task": metrics["task"], "decision_threshold": None, "decision_thresholds": thresholds}
    return Known("1", evaluation, facts, {raw[image_id]: p[image_id] for image_id in raw})


def of_units(dataset: Path, evaluation: Path, candidate: str, column: str) -> tuple[Any, Any]:
    """Images' labels and probabilities [images, C] of each unit, in any order."""
    rows = pl.read_parquet(evaluation / "predictions.parquet").filter(candidate=candidate, split="test")
    units = rows.join(read_rows(dataset, ["test"]).select("image_id", "study_id"), on="image_id")
    groups = [frame for _, frame in units.group_by(column, maintain_order=True)]
    label = "labels" if "labels" in rows.columns else "label"
    return [f[label].to_list() for f in groups], [np.array(f["probabilities"].to_list()) for f in groups]


def test_grades_of_patients_are_compared_by_kappa(tmp_path: Path) -> None:
    dataset, evaluation, metrics = study(tmp_path, task="ordinal", unit="group", metric="quadratic_kappa")
    assert promote._difference(metrics, dataset, evaluation, champion(dataset, evaluation, "strong", metrics)).high == 0
    found = promote._difference(metrics, dataset, evaluation, champion(dataset, evaluation, "weak", metrics))
    kappa = []
    for name in ("strong", "weak"):
        labels, p = of_units(dataset, evaluation, name, "group_id")
        decided = [int((q.mean(axis=0).cumsum() <= 0.5).sum()) for q in p]
        kappa.append(cohen_kappa_score([max(own) for own in labels], decided, weights="quadratic"))
    assert found.estimate == pytest.approx(kappa[0] - kappa[1], abs=1e-9)
    assert found.estimate is not None
    assert found.lower_one_sided is not None
    assert found.lower_one_sided < found.estimate


def test_findings_of_studies_are_compared_each_by_its_own_threshold(tmp_path: Path) -> None:
    settings = {"task": "multilabel", "unit": "study", "aggregate": "max", "metric": "balanced_accuracy"}
    dataset, evaluation, metrics = study(tmp_path, **settings)
    found = promote._difference(metrics, dataset, evaluation, champion(dataset, evaluation, "weak", metrics))
    balanced = []
    for name in ("strong", "weak"):
        labels, p = of_units(dataset, evaluation, name, "study_id")
        per_class = metrics["candidates"][name]["test"]["per_class"]
        of_class = []
        for c, label in enumerate(metrics["scored"]):
            truth = [[row[c] for row in own] for own in labels]
            known = [1 in own or None not in own for own in truth]
            y = [int(1 in own) for own, k in zip(truth, known, strict=True) if k]
            # As served, in float32: a threshold lies on a prediction.
            q = np.array(
                [own[:, c].astype(np.float32).max() for own, k in zip(p, known, strict=True) if k], dtype=float
            )
            of_class.append(balanced_accuracy_score(y, q >= per_class[label]["decision_threshold"]))
        balanced.append(np.mean(of_class))
    assert found.estimate == pytest.approx(balanced[0] - balanced[1], abs=1e-9)
