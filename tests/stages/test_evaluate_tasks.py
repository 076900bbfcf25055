"""Evaluate on every kind of label and unit: the contract of metrics.json, and what is refused before test is opened."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from tests.evaluation.artifacts import make_artifacts

from medgraft.artifacts import read_json, write_card
from medgraft.errors import UserError
from medgraft.params import Task
from medgraft.stages import evaluate
from medgraft.store import Store

CASES: list[tuple[Task, dict[str, Any]]] = [
    ("binary", {"unit": "study", "aggregate": "max", "prevalence": {"yes": 0.05}}),
    ("multiclass", {"unit": "group"}),
    ("ordinal", {"metric": "quadratic_kappa"}),
    ("multilabel", {}),
    ("multilabel", {"unit": "group", "aggregate": "max", "metric": "balanced_accuracy"}),
]
INTERVAL = {"estimate", "low", "high", "undefined_share", "se"}


def evaluated(folder: Path, task: Task, **settings: Any) -> tuple[Path, dict[str, Any]]:  # noqa: ANN401
    """An evaluation of made-up artifacts, and its metrics."""
    inputs = make_artifacts(folder, task, **settings)
    assert evaluate.run(**inputs, evaluation=folder / "evaluation", store=Store(str(folder / "store"))) == "built"
    return folder / "evaluation", read_json(folder / "evaluation" / "metrics.json")


@pytest.mark.parametrize(("task", "settings"), CASES, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_metrics_keep_to_their_contract(task: Task, settings: dict[str, Any], tmp_path: Path) -> None:
    folder, metrics = evaluated(tmp_path, task, **settings)
    assert metrics["task"] == task
    unit = settings.get("unit", "image")
    assert metrics["unit"] == {"of": unit, "aggregate": settings.get("aggregate", "mean")}
    assert metrics["units"] == dict.fromkeys(("validation", "test"), {"image": 160, "study": 80, "group": 40}[unit])
    assert (metrics["specificity_target"], metrics["sensitivity_target"]) == (0.9, 0.9)
    assert metrics["winner"] == "strong"
    assert metrics["dataset"]["splits"]["test"]["images"] == 160
    for name, facts in metrics["candidates"].items():
        test = facts["test"]
        macro = {"auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity"}
        assert set(test["macro"]) == macro | ({"quadratic_kappa", "mae"} if task == "ordinal" else set())
        assert all(set(figure) == INTERVAL for figure in test["macro"].values())
        assert (test["confusion"] is None) == (task == "multilabel")
        assert (test["decision_threshold"] is None) == (task != "binary")
        for figures in test["per_class"].values():
            assert set(figures["calibration"]) == {"ece", "brier", "slope", "intercept"}
            assert (figures["decision_threshold"] is None) <= (task != "multilabel") or figures["positives"] < 10
            known = figures["positives"] + figures["negatives"]
            assert known + figures["unknown"] == metrics["units"]["test"]
            assert (figures["unknown"] > 0) <= (task == "multilabel")
        assert [p["class"] for p in test["operating"]] == [c for c in metrics["scored"] for _ in range(2)]
        for point in test["operating"]:
            assert {"target", "value", "threshold", "prevalence", "prevalence_stated"} <= set(point)
            assert all(set(point[key]) == INTERVAL for key in ("sensitivity", "specificity", "ppv", "npv"))
        assert (facts["difference"] is None) == (name == "weak")
        assert len(facts["curve"]) == 2
    difference = metrics["candidates"]["strong"]["difference"]
    assert difference["reference"] == "weak"
    assert difference[metrics["metric"]]["lower_one_sided"] is not None
    assert {s["column"] for s in metrics["subgroups"]} == {"sex", "age"}
    plots = {path.stem for path in (folder / "plots").iterdir()}
    curves = {"roc", "pr", "reliability", "decision_curve", "learning_curve"}
    assert plots == curves | ({"confusion"} if task != "multilabel" else set())
    curve = pl.read_csv(folder / "plots" / "decision_curve.csv")
    assert curve.columns == ["candidate", "class", "threshold", "net_benefit", "low", "high", "treat_all"]
    assert len(curve) == 2 * 99 * len(metrics["scored"])
    failures = read_json(folder / "failures.json")
    assert failures["units"] == metrics["unit"]
    assert failures["mistakes"]
    for case in (*failures["mistakes"], *failures["correct"]):
        for kind in ("", "_saliency"):
            assert (folder / "gallery" / f"{case['image_id']}{kind}.png").is_file()
    assert (folder / "report.html").is_file()


def test_a_rare_label_is_stated_but_not_scored(tmp_path: Path) -> None:
    folder, metrics = evaluated(tmp_path, "multilabel")
    assert metrics["scored"] == ["grade 0", "grade 1"]
    assert "grade 2" in metrics["candidates"]["strong"]["test"]["per_class"]
    table = pl.read_parquet(folder / "predictions.parquet")
    assert table.schema["labels"] == pl.List(pl.Int8)
    rows = table.filter(candidate="strong", split="test")
    truths = np.array([[np.nan if t is None else t for t in row] for row in rows["labels"].to_list()], dtype=float)
    p = np.array(rows["probabilities"].to_list())
    known = ~np.isnan(truths)
    expected = np.mean([roc_auc_score(truths[known[:, c], c], p[known[:, c], c]) for c in (0, 1)])
    assert metrics["candidates"]["strong"]["test"]["macro"]["auroc"]["estimate"] == pytest.approx(expected, abs=1e-12)


def test_a_choice_by_kappa_is_by_kappa(tmp_path: Path) -> None:
    folder, metrics = evaluated(tmp_path, "ordinal", metric="quadratic_kappa")
    rows = pl.read_parquet(folder / "predictions.parquet").filter(candidate="strong", split="validation")
    p = np.array(rows["probabilities"].to_list())
    d = (p.cumsum(axis=1) <= 0.5).sum(axis=1)
    kappa = cohen_kappa_score(rows["label"].to_numpy(), d, weights="quadratic")
    assert metrics["candidates"]["strong"]["validation"]["seeds"][0] == pytest.approx(kappa, abs=1e-12)


def test_predictions_stay_those_of_images_and_figures_are_of_patients(tmp_path: Path) -> None:
    folder, metrics = evaluated(tmp_path, "binary", unit="group", aggregate="max")
    rows = pl.read_parquet(folder / "predictions.parquet").filter(candidate="strong", split="test")
    assert len(rows) == 160
    patients = rows.with_columns(pl.col("probabilities").list.get(1).alias("p")).group_by("group_id").max()
    area = roc_auc_score(patients["label"].to_numpy(), patients["p"].to_numpy())
    assert metrics["candidates"]["strong"]["test"]["macro"]["auroc"]["estimate"] == pytest.approx(area, abs=1e-12)


def test_patients_of_several_classes_are_left_out_of_test_with_a_warning(tmp_path: Path) -> None:
    folder, metrics = evaluated(tmp_path, "multiclass", unit="group", agreeing=False)
    left_out = 40 - metrics["units"]["test"]
    assert 3 <= left_out <= 5
    warning = f"{left_out} of 40 test patients have images of several classes: they are left out of every figure."
    assert warning in metrics["dataset"]["warnings"]
    assert warning in read_json(folder / "card.json")["warnings"]
    assert warning in (folder / "report.html").read_text(encoding="utf-8")
    assert len(pl.read_parquet(folder / "predictions.parquet").filter(candidate="weak", split="test")) == 160


def test_units_that_cannot_be_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    inputs = make_artifacts(tmp_path, "multiclass", unit="study")
    store = Store(str(tmp_path / "store"))
    out = tmp_path / "evaluation"
    shards = {path: pl.read_parquet(path) for path in (inputs["dataset"] / "data").iterdir()}

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            evaluate.run(**inputs, evaluation=out, store=store)
        assert not out.exists()
        assert store.names("ledger") == []

    for path, shard in shards.items():
        shard.with_columns(study_id=pl.lit(None, pl.String)).write_parquet(path)
    refused("320 of 320 images have no study")
    for path, shard in shards.items():
        shard.with_columns(study_id=pl.lit("s")).write_parquet(path)
    refused("1 of 1 studies have images of several patients")
    for path, shard in shards.items():
        labels = pl.Series(range(len(shard))) % 3 if "validation" in path.name else shard["label"]
        shard.with_columns(label=labels.cast(pl.Int64)).write_parquet(path)
    refused(r"\d+ of 80 validation studies have images of several classes\. Set evaluation\.unit to image")


@pytest.mark.parametrize("task", ["ordinal", "multilabel"])
def test_other_test_labels_change_no_selection(task: Task, tmp_path: Path) -> None:
    inputs = make_artifacts(tmp_path, task, unit="group")
    store = Store(str(tmp_path / "store"))
    evaluate.run(**inputs, evaluation=tmp_path / "honest", store=store)
    table = pl.read_parquet(inputs["sealed"] / "labels.parquet")
    column = "labels" if task == "multilabel" else "label"
    table.with_columns(table[column].reverse()).write_parquet(inputs["sealed"] / "labels.parquet")
    write_card(inputs["sealed"], "sealed", "f" * 32, read_json(inputs["sealed"] / "card.json")["made_from"])
    evaluate.run(**inputs, evaluation=tmp_path / "shuffled", store=store)
    one, other = ((tmp_path / name / "selection.json").read_bytes() for name in ("honest", "shuffled"))
    assert one == other
    figures = [read_json(tmp_path / name / "metrics.json")["candidates"]["strong"] for name in ("honest", "shuffled")]
    assert figures[0]["validation"] == figures[1]["validation"]
    assert figures[0]["temperature"] == figures[1]["temperature"]
    assert figures[0]["test"]["macro"] != figures[1]["test"]["macro"]


def test_repeating_gives_the_same_bytes(tmp_path: Path) -> None:
    inputs = make_artifacts(tmp_path, "multilabel", unit="study")
    for name in ("a", "b"):
        evaluate.run(**inputs, evaluation=tmp_path / name, store=Store(str(tmp_path / f"store_{name}")))
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert {"failures.json", "metrics.json", "plots", "gallery"} <= {str(file.parts[0]) for file in files}
    for file in files:
        if file.name not in ("cost.json", "report.html"):  # both hold what was measured
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
