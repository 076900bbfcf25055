"""`dvc repro`: from phantoms to a registered model, and then only what a change asks for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.pipeline.workspace import Workspace, make_workspace
from tests.tiny import tiny_params

pytestmark = pytest.mark.timeout(1200)  # a dozen processes that each load torch
REPEATED = ("evaluation/metrics.json", "evaluation/selection.json", "candidates/full/model.safetensors")
UNTOUCHED = (
    ("dataset", "card.json"),
    ("initializations", "scratch", "card.json"),
    ("candidates", "probe", "card.json"),
)


@dataclass(frozen=True)
class History:
    """What ran, and what was seen, as one study was run, changed, and made smaller."""

    workspace: Workspace
    first: list[str]
    bytes_: dict[str, bytes]
    status: str
    metrics: str
    plots: str
    before: list[Any]
    changed: list[str]
    after: list[Any]
    epochs: int
    removed: list[str]


@pytest.fixture(scope="module")
def history(source: Path, tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> History:
    """One story, told once: every chapter takes a while."""
    work = make_workspace(tmp_path_factory.mktemp("dvc"), tiny_params(source, tracking_uri))
    first = work.repro()
    bytes_ = {file: (work.folder / "artifacts" / file).read_bytes() for file in REPEATED}
    status = work.dvc("status")
    metrics = work.dvc("metrics", "show", "--json")
    plots = work.dvc("plots", "show").strip().removeprefix("file://")
    before = [work.artifact(*parts) for parts in UNTOUCHED]

    work.params["candidates"]["full"]["epochs"] = 2
    work.write_params()
    changed = work.repro()
    after = [work.artifact(*parts) for parts in UNTOUCHED]
    epochs = work.artifact("candidates", "full", "card.json")["settings"]["epochs"]

    del work.params["candidates"]["probe"]
    work.write_params()
    removed = work.repro("evaluate")
    return History(
        work, first, bytes_, status, metrics, Path(plots).read_text("utf-8"), before, changed, after, epochs, removed
    )


def test_all_stages_run_in_the_order_of_the_table(history: History) -> None:
    assert history.first[0] == "plan"
    assert set(history.first[1:3]) == {"ingest", "pretrain@scratch"}
    assert set(history.first[3:5]) == {"transfer@probe", "transfer@full"}
    assert history.first[5:] == ["evaluate", "register"]


def test_nothing_is_to_be_run_again(history: History) -> None:
    assert "up to date" in history.status


def test_the_same_params_elsewhere_give_the_same_bytes(history: History, study: Path) -> None:
    # `study` is another folder, another store, and no DVC.
    for file, content in history.bytes_.items():
        assert content == (study / "artifacts" / file).read_bytes(), file


def test_changing_one_candidate_runs_that_one_and_what_follows(history: History) -> None:
    assert history.changed == ["plan", "transfer@full", "evaluate", "register"]
    assert history.epochs == 2
    assert history.before == history.after


def test_a_removed_candidate_is_gone_from_the_leaderboard(history: History) -> None:
    assert history.removed == ["plan", "evaluate"]
    metrics = history.workspace.artifact("evaluation", "metrics.json")
    assert list(metrics["candidates"]) == ["full"]
    assert metrics["winner"] == "full"


def test_the_registration_is_on_the_server(history: History, tracking_uri: str) -> None:
    receipt = history.workspace.artifact("registration", "receipt.json")
    version = MlflowClient(tracking_uri=tracking_uri).get_model_version_by_alias("phantoms", "challenger")
    assert str(version.version) == receipt["version"]
    assert (
        version.tags["medgraft.fingerprint"] == history.workspace.artifact("registration", "card.json")["fingerprint"]
    )


def test_dvc_shows_metrics_and_plots(history: History) -> None:
    files = json.loads(history.metrics)[""]["data"]
    shown = files[str(Path("artifacts/evaluation/metrics.json"))]["data"]
    assert set(shown["candidates"]) == {"probe", "full"}
    for title in (
        "ROC on test",
        "Precision and recall",
        "Reliability",
        "Decision curve",
        "Learning curve",
        "Confusion",
    ):
        assert title in history.plots
    assert '"candidate": "full"' in history.plots  # what the template colours lines by


def test_artifacts_hold_only_what_stages_write(history: History) -> None:
    folder = history.workspace.folder / "artifacts"
    assert list(folder.rglob(".*")) == []
    assert {path.name for path in (folder / "initializations").iterdir()} == {"scratch"}
