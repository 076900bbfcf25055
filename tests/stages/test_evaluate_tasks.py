"""Evaluate on every kind of label and unit: the contract of metrics.json, and what is refused before test is opened."""

from collections.abc import Callable
from functools import cache
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

CASES: dict[str, tuple[Task, dict[str, Any]]] = {
    "patients": ("binary", {"unit": "group", "aggregate": "max", "prevalence": {"yes": 0.05}}),
    "classes": ("multiclass", {"unit": "group"}),
    "grades": ("ordinal", {"metric": "quadratic_kappa"}),
    "findings": ("multilabel", {}),
    "studies": ("multilabel", {"unit": "study", "aggregate": "max", "metric": "balanced_accuracy"}),
}
INTERVAL = {"estimate", "low", "high", "undefined_share", "se"}


def evaluate_made_up(folder: Path, task: Task, **settings: Any) -> tuple[Path, dict[str, Any]]:
    """An evaluation of made-up artifacts, and its metrics."""
    inputs = make_artifacts(folder, task, **settings)
    assert evaluate.run(**inputs, evaluation=folder / "evaluation", store=Store(str(folder / "store"))) == "built"
    return folder / "evaluation", read_json(folder / "evaluation" / "metrics.json")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """The evaluation of a case, made once."""

    @cache
    def made(name: str) -> tuple[Path, dict[str, Any]]:
        task, settings = CASES[name]
        return evaluate_made_up(tmp_path_factory.mktemp(name), task, **settings)

    return made


Evaluated = Callable[[str], tuple[Path, dict[str, Any]]]


def winners(folder: Path, split: str = "test") -> tuple[pl.DataFrame, Any]:
    """Rows of the winner's predictions, and its probabilities [images, C]."""
    rows = pl.read_parquet(folder / "predictions.parquet").filter(candidate="strong", split=split)
    return rows, np.array(rows["probabilities"].to_list())


@pytest.mark.parametrize("name", CASES)
def test_metrics_keep_to_their_contract(name: str, evaluated: Evaluated) -> None:
    task, settings = CASES[name]
    _, metrics = evaluated(name)
    unit = settings.get("unit", "image")
    assert (metrics["task"], metrics["winner"]) == (task, "strong")
    assert metrics["unit"] == {"of": unit, "aggregate": settings.get("aggregate", "mean")}
    assert metrics["units"] == dict.fromkeys(("validation", "test"), {"image": 160, "study": 80, "group": 40}[unit])
    assert (metrics["specificity_target"], metrics["sensitivity_target"]) == (0.9, 0.9)
    assert metrics["dataset"]["splits"]["test"]["images"] == 160
    for candidate, facts in metrics["candidates"].items():
        test = facts["test"]
        macro = {"auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity"}
        assert set(test["macro"]) == macro | ({"quadratic_kappa", "mae"} if task == "ordinal" else set())
        assert all(set(figure) == INTERVAL for figure in test["macro"].values())
        assert (test["confusion"] is None) == (task == "multilabel")
        assert (test["decision_threshold"] is None) == (task != "binary")
        for label, figures in test["per_class"].items():
            assert set(figures["calibration"]) == {"ece", "brier", "slope", "intercept"}
            assert figures["positives"] + figures["negatives"] + figures["unknown"] == metrics["units"]["test"]
            assert figures["unknown"] == 0 or task == "multilabel"
            if label in metrics["scored"]:
                assert (figures["decision_threshold"] is None) == (task != "multilabel")
        assert [p["class"] for p in test["operating"]] == [c for c in metrics["scored"] for _ in range(2)]
        for point in test["operating"]:
            assert {"target", "value", "threshold", "prevalence", "prevalence_stated"} <= set(point)
            assert point["prevalence_stated"] == (point["class"] == "yes")
            assert all(set(point[key]) == INTERVAL for key in ("sensitivity", "specificity", "ppv", "npv"))
        assert (facts["difference"] is None) == (candidate == "weak")
        assert [point["fraction"] for point in facts["curve"]] == [0.5, 1.0]
    difference = metrics["candidates"]["strong"]["difference"]
    assert difference["reference"] == "weak"
    assert difference[metrics["metric"]]["lower_one_sided"] is not None
    assert {s["column"] for s in metrics["subgroups"]} == {"sex", "age"}


@pytest.mark.parametrize("name", CASES)
def test_what_lies_beside_the_metrics(name: str, evaluated: Evaluated) -> None:
    folder, metrics = evaluated(name)
    plots = {path.stem for path in (folder / "plots").iterdir()}
    curves = {"roc", "pr", "reliability", "decision_curve", "learning_curve"}
    assert plots == curves | ({"confusion"} if metrics["task"] != "multilabel" else set())
    curve = pl.read_csv(folder / "plots" / "decision_curve.csv")
    assert curve.columns == ["candidate", "class", "threshold", "net_benefit", "low", "high", "treat_all"]
    assert len(curve) == 2 * 99 * len(metrics["scored"])
    failures = read_json(folder / "failures.json")
    assert failures["units"] == metrics["unit"]
    assert failures["mistakes"]
    pictures = {path.name for path in (folder / "gallery").iterdir()}
    shown = [case["image_id"] for case in (*failures["mistakes"], *failures["correct"])]
    assert pictures == {f"{image_id}{kind}.png" for image_id in shown for kind in ("", "_saliency")}
    assert (folder / "report.html").is_file()


def test_a_rare_label_is_stated_but_not_scored(evaluated: Evaluated) -> None:
    folder, metrics = evaluated("findings")
    assert metrics["scored"] == ["grade 0", "grade 1"]
    test = metrics["candidates"]["strong"]["test"]
    assert test["per_class"]["grade 2"]["positive_groups"] < 10
    rows, p = winners(folder)
    assert rows.schema["labels"] == pl.List(pl.Int8)
    truths = np.array([[np.nan if t is None else t for t in row] for row in rows["labels"].to_list()], dtype=float)
    known = ~np.isnan(truths)
    expected = np.mean([roc_auc_score(truths[known[:, c], c], p[known[:, c], c]) for c in (0, 1)])
    assert test["macro"]["auroc"]["estimate"] == pytest.approx(expected, abs=1e-12)


def test_a_choice_by_kappa_is_by_kappa(evaluated: Evaluated) -> None:
    folder, metrics = evaluated("grades")
    rows, p = winners(folder, "validation")
    kappa = cohen_kappa_score(rows["label"].to_numpy(), (p.cumsum(axis=1) <= 0.5).sum(axis=1), weights="quadratic")
    assert metrics["candidates"]["strong"]["validation"]["seeds"][0] == pytest.approx(kappa, abs=1e-12)
    assert read_json(folder / "selection.json")["rows"][0]["mean"] == pytest.approx(
        np.mean(metrics["candidates"]["strong"]["validation"]["seeds"])
    )


def test_predictions_stay_those_of_images_and_figures_are_of_patients(evaluated: Evaluated) -> None:
    folder, metrics = evaluated("patients")
    rows, p = winners(folder)
    assert len(rows) == 160
    patients = rows.with_columns(p=p[:, 1]).group_by("group_id").agg(pl.col("label").max(), pl.col("p").max())
    area = roc_auc_score(patients["label"].to_numpy(), patients["p"].to_numpy())
    assert metrics["candidates"]["strong"]["test"]["macro"]["auroc"]["estimate"] == pytest.approx(area, abs=1e-12)


def test_patients_of_several_classes_are_left_out_of_test_with_a_warning(tmp_path: Path) -> None:
    folder, metrics = evaluate_made_up(tmp_path, "multiclass", unit="group", agreeing=False)
    left_out = 40 - metrics["units"]["test"]
    assert 3 <= left_out <= 5
    warning = f"{left_out} of 40 test patients have images of several classes: they are left out of every figure."
    assert warning in metrics["dataset"]["warnings"]
    assert warning in read_json(folder / "card.json")["warnings"]
    assert warning in (folder / "report.html").read_text(encoding="utf-8")
    assert len(winners(folder)[0]) == 160


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


def test_other_test_labels_change_no_selection_and_repeating_changes_no_byte(tmp_path: Path) -> None:
    inputs = make_artifacts(tmp_path, "multilabel", unit="study")
    for name in ("honest", "again"):
        evaluate.run(**inputs, evaluation=tmp_path / name, store=Store(str(tmp_path / f"store_{name}")))
    table = pl.read_parquet(inputs["sealed"] / "labels.parquet")
    table.with_columns(table["labels"].reverse()).write_parquet(inputs["sealed"] / "labels.parquet")
    write_card(inputs["sealed"], "sealed", "f" * 32, read_json(inputs["sealed"] / "card.json")["made_from"])
    evaluate.run(**inputs, evaluation=tmp_path / "shuffled", store=Store(str(tmp_path / "store_honest")))
    honest, again, shuffled = (tmp_path / name for name in ("honest", "again", "shuffled"))
    files = [path.relative_to(honest) for path in honest.rglob("*") if path.is_file()]
    assert {"failures.json", "metrics.json", "plots", "gallery"} <= {file.parts[0] for file in files}
    for file in files:
        if file.name not in ("cost.json", "report.html"):  # both hold what was measured
            assert (honest / file).read_bytes() == (again / file).read_bytes(), file
    assert (honest / "selection.json").read_bytes() == (shuffled / "selection.json").read_bytes()
    one, other = (read_json(folder / "metrics.json")["candidates"]["strong"] for folder in (honest, shuffled))
    assert one["validation"] == other["validation"]
    assert one["temperature"] == other["temperature"]
    assert one["test"]["macro"] != other["test"]["macro"]
    assert read_json(shuffled / "ledger.json")["openings"] == 2


def test_one_outcome_of_all_units_is_stated(tmp_path: Path) -> None:
    """Images of both classes, but no test patient without a positive one: known only once test is open."""
    folder, metrics = evaluate_made_up(tmp_path, "binary", all_ill=True, unit="group", aggregate="max")
    assert any("40 positive and 0 negative patients in test" in warning for warning in metrics["dataset"]["warnings"])
    strong = metrics["candidates"]["strong"]
    assert strong["test"]["macro"]["auroc"]["estimate"] is None
    assert strong["test"]["seeds"] == {"values": [None, None], "sd": None}
    assert [point["mean"] for point in strong["curve"]] == [None, None]
    assert strong["test"]["per_class"]["yes"]["positives"] == 40
    assert (folder / "report.html").is_file()
