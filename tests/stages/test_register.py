"""register and promote, from artifacts to a model that answers over HTTP, with a real MLflow server."""

import base64
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest
import requests
from mlflow import MlflowClient
from tests.registry.study import Study, make_study
from tests.servers import free_port, model_server

from medgraft.artifacts import read_json, write_json
from medgraft.data.dataset import read_images
from medgraft.errors import UserError
from medgraft.registry.server import connect
from medgraft.stages import promote, register
from medgraft.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return Store(str(folder / "store"))


@pytest.fixture(scope="module")
def client(server: str) -> MlflowClient:
    return connect(server)


@pytest.fixture(scope="module")
def registered(folder: Path, server: str, store: Store) -> Study:
    """A study whose winner is registered as version 1."""
    study = make_study(folder / "first", tracking_uri=server)
    assert register.run(*study.inputs, study.registration, store) == "built"
    return study


@pytest.fixture(scope="module")
def worse(folder: Path, server: str, store: Store, registered: Study) -> Study:
    """Another study of the same patients, whose winner is worse; registered as version 2."""
    study = make_study(folder / "second", tracking_uri=server, noise=10)
    assert register.run(*study.inputs, study.registration, store) == "built"
    return study


def known(client: MlflowClient) -> tuple[list[Any], dict[str, str], list[str]]:
    """Versions with their tags, aliases and runs, as the server has them."""
    versions = [(v.version, v.tags) for v in client.search_model_versions("name = 'nodules'")]
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    runs = sorted(run.info.run_id for run in client.search_runs([experiment.experiment_id]))
    return versions, {k: str(v) for k, v in client.get_registered_model("nodules").aliases.items()}, runs


def gated(study: Study, folder: Path, **gate: float) -> Path:
    """The study's plan with another gate."""
    plan = shutil.copytree(study.plan, folder / "plan")
    item = read_json(plan / "registration.json")
    write_json(plan / "registration.json", item | {"gate": item["gate"] | gate})
    return plan


def promoted(study: Study, plan: Path | None = None) -> promote.Outcome:
    return promote.run(plan or study.plan, study.dataset, study.evaluation, study.registration)


def test_the_receipt_is_true(registered: Study, client: MlflowClient, server: str) -> None:
    receipt = read_json(registered.registration / "receipt.json")
    card = read_json(registered.registration / "card.json")
    version = client.get_model_version("nodules", receipt["version"])
    assert receipt == {
        "model_name": "nodules",
        "version": "1",
        "alias": "challenger",
        "run_id": version.run_id,
        "tracking_uri": server,
        "experiment": "study",
        "winner": "solid",
        "openings": 1,
    }
    assert version.tags["medgraft.fingerprint"] == card["fingerprint"]
    assert version.tags["medgraft.winner"] == "solid"
    assert version.tags["medgraft.test_set"] == read_json(registered.dataset / "card.json")["test_set"]
    assert float(version.tags["medgraft.largest_deviation"]) < 1e-5
    assert "Not a medical device." in str(version.description)
    assert known(client)[1]["challenger"] == "1"
    assert client.get_run(receipt["run_id"]).data.tags["medgraft.winner"] == "solid"
    names = {path.name for path in registered.registration.iterdir()}
    assert names == {"card.json", "receipt.json", "model.onnx", "model_card.md"}


def test_running_again_registers_nothing(registered: Study, client: MlflowClient, store: Store) -> None:
    before = known(client)
    assert register.run(*registered.inputs, registered.registration, store) == "up to date"
    shutil.rmtree(registered.registration)
    assert register.run(*registered.inputs, registered.registration, store) == "restored"
    assert known(client) == before


def test_where_the_server_is_changes_no_fingerprint_but_must_be_true(
    registered: Study, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (registered.registration / "receipt.json").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match="start one with `mlflow server"):
        register.run(*registered.inputs, registered.registration, store)
    assert (registered.registration / "receipt.json").read_bytes() == before


def test_nothing_is_registered_that_deviates(registered: Study, tmp_path: Path, client: MlflowClient) -> None:
    study = Study(*(tmp_path / name for name in ("plan", "dataset", "candidates", "evaluation", "registration")))
    for source, copy in zip(registered.inputs, study.inputs, strict=True):
        shutil.copytree(source, copy)
    path = study.evaluation / "predictions.parquet"
    other = pl.read_parquet(path).with_columns(pl.lit([0.3, 0.7]).alias("probabilities"))
    other.write_parquet(path)
    before = known(client)
    with pytest.raises(UserError, match="nothing was registered"):
        register.run(*study.inputs, study.registration, Store(str(tmp_path / "store")))
    assert known(client) == before
    assert not study.registration.exists()


def test_promotion_needs_the_interval_above_the_minimum(
    registered: Study, client: MlflowClient, tmp_path: Path
) -> None:
    before = known(client)
    with pytest.raises(UserError, match=r"1 problem in the promotion of 'solid'.*\n.*below the minimum 0.9990"):
        promoted(registered, gated(registered, tmp_path, minimum=0.999))
    assert known(client) == before


def test_the_first_that_passes_becomes_champion(registered: Study, client: MlflowClient) -> None:
    outcome = promoted(registered)
    assert (outcome.version, outcome.promoted) == ("1", True)
    assert known(client)[1] == {"champion": "1"}
    tags = client.get_model_version("nodules", "1").tags
    assert tags["medgraft.promoted_because"] == "; ".join(outcome.reasons)
    assert "there was no champion" in tags["medgraft.promoted_because"]


def test_a_champion_is_not_promoted_again(registered: Study, client: MlflowClient, store: Store) -> None:
    before = known(client)
    assert promoted(registered) == promote.Outcome("nodules", "1", promoted=False, reasons=())
    assert register.run(*registered.inputs, registered.registration, store) == "up to date"
    assert known(client) == before


def test_the_champion_answers_over_http_what_was_evaluated(registered: Study, server: str, tmp_path: Path) -> None:
    rows = pl.read_parquet(registered.evaluation / "predictions.parquet").filter(candidate="solid", split="test")
    evaluated = dict(zip(rows["image_id"], rows["probabilities"].to_list(), strict=True))
    images = dict(list(read_images(registered.dataset, ["test"]))[:3])
    sent = [[base64.b64encode(raw).decode()] for raw in images.values()]
    with model_server("models:/nodules@champion", server, tmp_path) as uri:
        request = {"dataframe_split": {"columns": ["image"], "data": sent}}
        answer = requests.post(f"{uri}/invocations", json=request, timeout=60)
        refused = requests.post(f"{uri}/invocations", json={"dataframe_records": [{"image": "?"}]}, timeout=60)
    assert answer.status_code == 200, answer.text
    for image_id, row in zip(images, answer.json()["predictions"], strict=True):
        np.testing.assert_allclose(list(row.values()), evaluated[image_id], rtol=0, atol=1e-5)
        assert list(row) == ["clear", "nodule, solid/part-solid"]
    assert refused.status_code == 400
    assert "row 0: not base64 text" in refused.text


def test_a_second_opening_is_counted(worse: Study) -> None:
    assert read_json(worse.registration / "receipt.json")["openings"] == 2
    assert "have been opened 2 times" in (worse.registration / "model_card.md").read_text()


def test_a_worse_challenger_does_not_replace_the_champion(
    registered: Study, worse: Study, client: MlflowClient
) -> None:
    promoted(registered)
    before = known(client)
    assert before[1] == {"champion": "1", "challenger": "2"}
    with pytest.raises(UserError, match=r"may be worse than the champion by more than the margin 0.0200"):
        promoted(worse)
    assert known(client) == before


def test_reasons_against_are_all_named(registered: Study, worse: Study, tmp_path: Path) -> None:
    promoted(registered)
    with pytest.raises(UserError, match="2 problems in the promotion of 'solid'"):
        promoted(worse, gated(worse, tmp_path, minimum=0.999))


def test_a_challenger_within_the_margin_replaces_the_champion(
    registered: Study, worse: Study, client: MlflowClient, tmp_path: Path
) -> None:
    promoted(registered)
    outcome = promoted(worse, gated(worse, tmp_path, margin=0.9, minimum=0.1))
    assert outcome.promoted
    assert known(client)[1] == {"champion": "2"}
    tags = client.get_model_version("nodules", "2").tags
    assert tags["medgraft.replaced_version"] == "1"
    assert "minus that of version 1 on the same patients" in tags["medgraft.promoted_because"]


def test_a_registration_of_something_else_is_refused(registered: Study, worse: Study) -> None:
    with pytest.raises(UserError, match=r"made from another evaluation .*run `medgraft register` again"):
        promote.run(registered.plan, registered.dataset, worse.evaluation, registered.registration)


def test_a_version_that_was_deleted_is_registered_anew(
    registered: Study, worse: Study, client: MlflowClient, store: Store
) -> None:
    runs = known(client)[2]
    client.delete_model_version("nodules", "1")
    with pytest.raises(UserError, match=r"has no version of 'nodules' with fingerprint .*run `medgraft register`"):
        promoted(registered)
    assert register.run(*registered.inputs, registered.registration, store) == "built"
    receipt = read_json(registered.registration / "receipt.json")
    assert (receipt["version"], receipt["alias"]) == ("3", "challenger")
    assert known(client)[2] == runs
    assert known(client)[1]["challenger"] == "3"


def test_mlflows_global_state_is_left_alone(registered: Study, server: str) -> None:
    assert mlflow.get_tracking_uri() != server
    assert mlflow.active_run() is None
