"""Evaluate: test labels decide nothing, openings are counted, figures agree with scikit-learn, bytes repeat."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, confusion_matrix, roc_auc_score

from medgraft.artifacts import read_json, write_card, write_json
from medgraft.errors import UserError
from medgraft.stages import evaluate
from medgraft.store import Store


def inputs(study: Path) -> dict[str, Path]:
    return {name: study / "artifacts" / name for name in ("plan", "dataset", "sealed", "candidates")}


def with_random_labels(sealed: Path, out: Path) -> Path:
    """The sealed artifact with labels drawn anew."""
    shutil.copytree(sealed, out)
    table = pl.read_parquet(out / "labels.parquet")
    drawn = np.random.default_rng(3).integers(0, 2, len(table))
    table.with_columns(pl.Series("label", drawn)).write_parquet(out / "labels.parquet")
    write_card(out, "sealed", "f" * 32, read_json(sealed / "card.json")["made_from"])
    return out


def test_random_test_labels_change_no_selection_and_count_as_a_second_opening(study: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    honest, shuffled = tmp_path / "honest", tmp_path / "shuffled"
    evaluate.run(**inputs(study), evaluation=honest, store=store)
    sealed = with_random_labels(inputs(study)["sealed"], tmp_path / "sealed")
    evaluate.run(**inputs(study) | {"sealed": sealed}, evaluation=shuffled, store=store)
    assert (honest / "selection.json").read_bytes() == (shuffled / "selection.json").read_bytes()
    one, other = read_json(honest / "metrics.json"), read_json(shuffled / "metrics.json")
    assert one["winner"] == other["winner"]
    for name, facts in one["candidates"].items():
        assert facts["validation"] == other["candidates"][name]["validation"]
        assert facts["temperature"] == other["candidates"][name]["temperature"]
        assert facts["test"]["macro"] != other["candidates"][name]["test"]["macro"]
    assert [read_json(f / "ledger.json")["openings"] for f in (honest, shuffled)] == [1, 2]
    opened = re.compile(r"have been opened\s+2 times")
    reports = [(f / "report.html").read_text(encoding="utf-8") for f in (honest, shuffled)]
    assert [bool(opened.search(report)) for report in reports] == [False, True]


def test_repeating_an_evaluation_gives_the_same_bytes_and_no_new_opening(study: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        evaluate.run(**inputs(study), evaluation=tmp_path / name, store=Store(str(tmp_path / f"store_{name}")))
    for file in ("metrics.json", "selection.json", "predictions.parquet", "card.json", "plots/roc.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    store = Store(str(tmp_path / "store_a"))
    assert evaluate.run(**inputs(study), evaluation=tmp_path / "a", store=store) == "up to date"
    shutil.rmtree(tmp_path / "a")
    assert evaluate.run(**inputs(study), evaluation=tmp_path / "a", store=store) == "restored"
    assert read_json(tmp_path / "a" / "ledger.json")["openings"] == 1


def test_a_restored_evaluation_states_the_openings_of_by_now(study: Path, tmp_path: Path) -> None:
    store, out = Store(str(tmp_path / "store")), tmp_path / "evaluation"
    evaluate.run(**inputs(study), evaluation=out, store=store)
    sealed = with_random_labels(inputs(study)["sealed"], tmp_path / "sealed")
    evaluate.run(**inputs(study) | {"sealed": sealed}, evaluation=out, store=store)
    assert evaluate.run(**inputs(study), evaluation=out, store=store) == "restored"
    assert read_json(out / "ledger.json")["openings"] == 2
    assert "opened once" not in (out / "report.html").read_text(encoding="utf-8")


def test_what_does_not_belong_together_is_refused_before_anything_is_opened(study: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    other = with_random_labels(inputs(study)["sealed"], tmp_path / "sealed")
    write_card(other, "sealed", "f" * 32, {"dataset": "0" * 32})
    with pytest.raises(UserError, match="does not hold the labels"):
        evaluate.run(**inputs(study) | {"sealed": other}, evaluation=tmp_path / "out", store=store)
    plan = shutil.copytree(inputs(study)["plan"], tmp_path / "plan")
    item = read_json(plan / "candidates/full.json")
    write_json(plan / "candidates/full.json", item | {"settings": item["settings"] | {"epochs": 7}})
    with pytest.raises(UserError, match="medgraft transfer full"):
        evaluate.run(**inputs(study) | {"plan": plan}, evaluation=tmp_path / "out", store=store)
    assert store.names("ledger") == []


def test_figures_agree_with_scikit_learn(study: Path) -> None:
    folder = study / "artifacts" / "evaluation"
    metrics = read_json(folder / "metrics.json")
    table = pl.read_parquet(folder / "predictions.parquet")
    for name, facts in metrics["candidates"].items():
        rows = table.filter((pl.col("candidate") == name) & (pl.col("split") == "test"))
        y, score = rows["label"].to_numpy(), np.array(rows["probabilities"].to_list())[:, 1]
        decided = (score >= facts["test"]["decision_threshold"]).astype(int)
        macro = {key: value["estimate"] for key, value in facts["test"]["macro"].items()}
        assert macro["auroc"] == pytest.approx(roc_auc_score(y, score), abs=1e-12)
        assert macro["auprc"] == pytest.approx(average_precision_score(y, score), abs=1e-12)
        assert macro["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, decided), abs=1e-12)
        assert facts["test"]["confusion"] == confusion_matrix(y, decided).tolist()
        low, high = facts["test"]["macro"]["auroc"]["low"], facts["test"]["macro"]["auroc"]["high"]
        assert low < macro["auroc"] < high


def test_the_threshold_reaches_its_specificity_on_validation(study: Path) -> None:
    folder = study / "artifacts" / "evaluation"
    metrics = read_json(folder / "metrics.json")
    table = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "validation")
    for name, facts in metrics["candidates"].items():
        rows = table.filter((pl.col("candidate") == name) & (pl.col("label") == 0))
        score = np.array(rows["probabilities"].to_list())[:, 1]
        threshold = facts["test"]["per_class"]["lesion"]["threshold"]
        assert (score < threshold).mean() >= metrics["specificity_target"]


def test_metrics_hold_no_time_and_no_cost(study: Path) -> None:
    text = (study / "artifacts/evaluation/metrics.json").read_text()
    assert "latency" not in text
    assert "second" not in text
    cost = read_json(study / "artifacts/evaluation/cost.json")
    assert all(facts["latency_ms_batch1_median"] > 0 for facts in cost.values())
