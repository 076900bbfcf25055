import pytest
from mlflow import MlflowClient

from medgraft.registry.runs import FINGERPRINT, PARENT, Measurement, experiment_id, find_or_create, finished, log
from medgraft.registry.server import connect


@pytest.fixture
def client(server: str) -> MlflowClient:
    return connect(server)


def test_logs_more_than_one_batch_takes_and_once_only(client: MlflowClient) -> None:
    experiment = experiment_id(client, "batches")
    run = find_or_create(client, experiment, "large", {FINGERPRINT: "1" * 32})
    params = {f"p{i}": str(i) for i in range(250)} | {"k" * 300: "v" * 7000}
    points = [Measurement("loss", i / 7, step=i) for i in range(2300)]
    log(client, run, params, points[:1200])
    log(client, client.get_run(run.info.run_id), params | {"p0": "changed since"}, points)
    logged = client.get_run(run.info.run_id).data.params
    assert len(logged) == 251
    assert logged["p0"] == "0"
    assert logged["k" * 250] == "v" * 5999 + "…"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted((m.step, m.value) for m in history) == [(i, i / 7) for i in range(2300)]


def test_finds_the_run_of_a_fingerprint_and_parent(client: MlflowClient) -> None:
    experiment = experiment_id(client, "found")
    parent = find_or_create(client, experiment, "parent", {FINGERPRINT: "1" * 32})
    child = find_or_create(client, experiment, "child", {FINGERPRINT: "2" * 32, PARENT: parent.info.run_id})
    other = find_or_create(client, experiment, "child", {FINGERPRINT: "2" * 32, PARENT: "another"})
    alone = find_or_create(client, experiment, "child", {FINGERPRINT: "2" * 32})
    ids = [run.info.run_id for run in (parent, child, other, alone)]
    assert len(set(ids)) == 4
    again = [
        find_or_create(client, experiment, "", {FINGERPRINT: "1" * 32}),
        find_or_create(client, experiment, "", {FINGERPRINT: "2" * 32, PARENT: parent.info.run_id}),
        find_or_create(client, experiment, "", {FINGERPRINT: "2" * 32, PARENT: "another"}),
        find_or_create(client, experiment, "", {FINGERPRINT: "2" * 32}),
    ]
    assert [run.info.run_id for run in again] == ids


def test_a_run_is_finished_only_when_it_was_said_to_be(client: MlflowClient) -> None:
    run = find_or_create(client, experiment_id(client, "states"), "run", {FINGERPRINT: "3" * 32})
    assert not finished(run)
    client.set_terminated(run.info.run_id, "FAILED")
    assert not finished(client.get_run(run.info.run_id))
    client.set_terminated(run.info.run_id)
    assert finished(client.get_run(run.info.run_id))
