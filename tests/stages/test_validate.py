"""A registered model elsewhere: its own temperature and thresholds, all labelled images, nobody it was trained on."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.workspace import medgraft

from medgraft.artifacts import read_card, read_json, write_json
from medgraft.data.dataset import read_labels, read_rows, read_sealed
from medgraft.data.phantom import write_phantoms
from medgraft.errors import UserError
from medgraft.registry.prediction import predict_dataset
from medgraft.registry.runs import FINGERPRINT
from medgraft.stages import ingest
from medgraft.stages.validate import run
from medgraft.store import Store

MODEL = "phantoms@challenger"


@pytest.fixture(scope="module")
def elsewhere(study: Path, server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with phantoms of other patients, all test, on which `medgraft validate` has run."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_phantoms(folder / "phantoms", patients=40, size=48, seed=9)
    shutil.copyfile(study / "params.yaml", folder / "params.yaml")
    changes = ["--set", f"dataset.source={folder / 'phantoms'}", "--set", "split.only_test=true"]
    medgraft(folder, "plan", *changes)
    medgraft(folder, "ingest")
    (folder / "validate.log").write_text(medgraft(folder, "validate", MODEL, "artifacts/dataset"), encoding="utf-8")
    return folder


def test_the_figures_are_the_models_on_all_labelled_images(elsewhere: Path, server: str) -> None:
    dataset, out = elsewhere / "artifacts" / "dataset", elsewhere / "artifacts" / "validation"
    metrics = read_json(out / "metrics.json")
    name = metrics["winner"]
    assert name.startswith("phantoms/")
    test = metrics["candidates"][name]["test"]
    mlflow.set_tracking_uri(server)
    version = mlflow.MlflowClient(server).get_model_version_by_alias("phantoms", "challenger")
    source = mlflow.MlflowClient(server).get_model_version_download_uri(version.name, version.version)
    answers = predict_dataset(mlflow.pyfunc.load_model(source), dataset, ["test"])
    truths = read_sealed(elsewhere / "artifacts" / "sealed")
    ids = sorted(truths)
    expected = roc_auc_score([truths[i] for i in ids], [answers[i][1] for i in ids])
    assert test["macro"]["auroc"]["estimate"] == pytest.approx(expected, abs=1e-9)
    assert metrics["units"] == {"test": len(ids)}
    package = read_json(Path(mlflow.artifacts.download_artifacts(f"{source}/artifacts/package/package.json")))
    assert test["decision_threshold"] == package["decision_threshold"]
    stored = package["operating_thresholds"]["specificity"]["lesion"]
    assert test["per_class"]["lesion"]["threshold"] == stored
    called = np.array([answers[i][1] for i in ids]) >= stored
    negative = np.array([truths[i] for i in ids]) == 0
    assert test["per_class"]["lesion"]["specificity"]["estimate"] == pytest.approx((~called[negative]).mean())


def test_it_is_an_artifact_a_report_and_a_run(elsewhere: Path, server: str) -> None:
    out = elsewhere / "artifacts" / "validation"
    card = read_card(out, "validation")
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "was chosen" not in report
    assert "Operating points" in report
    assert read_json(out / "ledger.json")["openings"] == 1
    log = (elsewhere / "validate.log").read_text(encoding="utf-8")
    assert "95 % interval" in log
    client = mlflow.MlflowClient(server)
    version = client.get_model_version_by_alias("phantoms", "challenger")
    assert "AUROC" in version.tags["medgraft.validated.phantoms"]
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{FINGERPRINT}` = '{card['fingerprint']}'")
    assert [run.data.tags["medgraft.validates"] for run in runs] == [f"phantoms/{version.version}"]
    assert "up to date" in medgraft(elsewhere, "validate", MODEL, "artifacts/dataset")


def test_labelled_images_of_every_split_are_scored_and_shown(elsewhere: Path, tmp_path: Path) -> None:
    """Of a set that was divided, as for a study of its own."""
    write_phantoms(tmp_path / "phantoms", patients=110, size=48, seed=9)
    artifacts = tmp_path / "artifacts"
    shutil.copytree(elsewhere / "artifacts" / "plan", artifacts / "plan")
    item = read_json(artifacts / "plan" / "dataset.json")
    item["dataset"]["source"], item["split"]["only_test"] = str(tmp_path / "phantoms"), False
    write_json(artifacts / "plan" / "dataset.json", item)
    store = Store(str(tmp_path / "store"))
    assert ingest.run(artifacts / "plan", artifacts / "dataset", artifacts / "sealed", store) == "built"
    assert run(MODEL, artifacts / "dataset", artifacts / "validation", store) == "built"
    metrics = read_json(artifacts / "validation" / "metrics.json")
    assert metrics["units"] == {"test": len(read_rows(artifacts / "dataset"))}
    failures = read_json(artifacts / "validation" / "failures.json")
    judged = set(read_rows(artifacts / "dataset", ["test"])["image_id"])
    assert not {case["image_id"] for case in failures["mistakes"]} <= judged
    pictures = {path.stem for path in (artifacts / "validation" / "gallery").iterdir()}
    assert {case["image_id"] for case in (*failures["mistakes"], *failures["correct"])} <= pictures


def test_a_set_with_training_patients_is_refused(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    with pytest.raises(UserError, match=r"trained or chosen on \d+ patients and \d+ images of this set"):
        run(MODEL, Path("artifacts/dataset"), study / "nowhere", Store(".medgraft/store"))
    assert not (study / "nowhere").exists()


def test_what_does_not_fit_is_refused(elsewhere: Path, tmp_path: Path) -> None:
    dataset = elsewhere / "artifacts" / "dataset"
    store = Store(str(tmp_path / "store"))
    for wrong in ("phantoms", "nobody@champion", "phantoms/999", "models:/a b/c"):
        with pytest.raises(UserError, match=r"names no registered model|has no model"):
            run(wrong, dataset, tmp_path / "out", store)
    changed = shutil.copytree(elsewhere / "artifacts", tmp_path / "artifacts")
    card = changed / "dataset" / "card.json"
    card.write_text(json.dumps(read_json(card) | {"key_id": "0123abcd", "classes": ["healthy", "cyst"]}))
    with pytest.raises(UserError, match="2 problems") as caught:
        run(MODEL, changed / "dataset", tmp_path / "out", store)
    assert "its classes are healthy, lesion, this data set's classes are healthy, cyst" in str(caught.value)
    assert "overlap cannot be checked" in str(caught.value)
    sealed = changed / "sealed" / "card.json"
    sealed.write_text(json.dumps(read_json(sealed) | {"made_from": {"dataset": "f" * 32}}))
    with pytest.raises(UserError, match="does not hold the labels of"):
        run(MODEL, changed / "dataset", tmp_path / "out", store)
    rows = read_rows(dataset)
    assert read_labels(rows) == [None] * len(rows)
