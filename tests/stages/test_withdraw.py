"""Everything that holds a patient is found, and nobody else's things are."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from tests.workspace import medgraft

from medgraft.data.dataset import read_rows
from medgraft.data.identity import PUBLIC_KEY, GroupKey
from medgraft.errors import UserError
from medgraft.stages.withdraw import Holding, describe, run
from medgraft.store import Store

STORE = ".medgraft/store"


@pytest.fixture
def workspace(study: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(study)
    return study


def _patient_of(workspace: Path, split: str) -> str:
    """The raw id of a patient in that split."""
    wanted = set(read_rows(workspace / "artifacts" / "dataset", [split])["group_id"])
    ids = pl.read_csv(workspace / "phantoms" / "labels.csv", infer_schema=False)["patient_id"].drop_nulls()
    return next(str(raw) for raw in ids if GroupKey(PUBLIC_KEY).group_id(raw) in wanted)


def _kinds(holdings: list[Holding]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for holding in holdings:
        found.setdefault(holding.kind, set()).add(holding.reason)
    return found


def test_a_training_patient_is_in_all_that_was_made_from_it(workspace: Path) -> None:
    patient = _patient_of(workspace, "train")
    holdings = run(patient, False, Path("artifacts"), Store(STORE))
    kinds = _kinds(holdings)
    assert kinds["dataset"] == {"holds the patient's images"}
    for kind in ("sealed", "candidate", "evaluation", "registration", "MLflow run"):
        assert "was made from it" in kinds[kind], kind
    assert kinds["model version"] >= {"trained or chosen on the patient"}
    assert kinds["pixel store"] == {"holds the patient's pixels"}
    assert kinds["feature store"] == {"holds the patient's features"}
    assert kinds["run"] == {"a run of a candidate that holds it"}
    assert "initialization" not in kinds
    places = [h.place for h in holdings if h.kind == "candidate"]
    assert sorted(p for p in places if p.startswith("artifacts")) == [
        f"artifacts/candidates/{n}" for n in ("full", "probe")
    ]
    assert sum(p.startswith(f"{STORE} results/") for p in places) == 2
    assert patient not in "\n".join(describe(holdings))
    hashed = GroupKey(PUBLIC_KEY).group_id(patient)
    assert run(hashed, True, Path("artifacts"), Store(STORE)) == holdings


def test_a_test_patient_was_judged_on_not_trained_on(workspace: Path) -> None:
    kinds = _kinds(run(_patient_of(workspace, "test"), False, Path("artifacts"), Store(STORE)))
    assert kinds["dataset"] == {"holds the patient's images"}
    assert kinds["model version"] >= {"judged on a data set with the patient"}
    assert "trained or chosen on the patient" not in kinds["model version"]
    assert not {"pixel store", "feature store"} & set(kinds)


def test_a_stranger_is_nowhere(workspace: Path) -> None:
    """Other tests' models and runs on the same server may be beyond checking; nothing of this study is listed."""
    holdings = run("nobody-1", False, Path("artifacts"), Store(STORE))
    assert {h.kind for h in holdings} <= {"model version", "MLflow run"}
    assert all(h.reason.startswith(("cannot be checked", "not packed by medgraft")) for h in holdings)
    assert "nothing that could be looked into holds this patient" in describe([])[0]
    assert ".dvc/cache" in describe([])[1]


def test_what_cannot_be_checked_is_said(workspace: Path, tmp_path: Path, server: str) -> None:
    shutil.copytree(workspace / "artifacts" / "dataset", tmp_path / "artifacts" / "dataset")
    shutil.copytree(workspace / "artifacts" / "plan", tmp_path / "artifacts" / "plan")
    card = tmp_path / "artifacts" / "dataset" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"key_id": "0123abcd"}))
    store = Store(str(tmp_path / "store"))
    store.write_text("x", "checkpoints", "f" * 32 + "-1.0-0-cpu1", "00000001.ckpt")
    reasons = {h.reason for h in run("nobody-1", False, tmp_path / "artifacts", store)}
    assert "cannot be checked: its patients are named by group key 0123abcd" in reasons
    assert "cannot be checked: its candidate was never finished" in reasons


def test_refusals_and_the_command(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a hashed patient id has 32 hex digits"):
        run("p1", True, Path("artifacts"), Store(STORE))
    with pytest.raises(UserError, match="no plan artifact"):
        run("p1", False, tmp_path, Store(STORE))
    printed = medgraft(workspace, "withdraw", _patient_of(workspace, "train"))
    assert "things hold this patient" in printed
    assert "artifacts/evaluation" in printed
