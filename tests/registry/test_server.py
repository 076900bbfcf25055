import os
import re
import socket
import time
from pathlib import Path

import mlflow
import pytest
from tests.servers import free_port

import medgraft
from medgraft.errors import UserError
from medgraft.registry.server import connect, shown, talking, tracking_uri


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_the_environment_wins_over_the_params(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri("http://configured") == "http://configured"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert tracking_uri("http://configured") == "http://elsewhere"


def test_connects_and_leaves_no_trace(server: str) -> None:
    before, variables = mlflow.get_tracking_uri(), dict(os.environ)
    client = connect(server)
    assert client.search_experiments()
    assert client.tracking_uri == server
    assert mlflow.get_tracking_uri() == before != server
    assert dict(os.environ) == variables


def test_says_at_once_that_nothing_listens() -> None:
    uri = f"http://user:secret@127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(UserError, match="start one with `mlflow server") as caught:
        connect(uri)
    assert time.monotonic() - began < 5
    assert "(Connection refused)" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_gives_up_within_seconds_when_nothing_is_answered() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"no MLflow server answers at {uri} \(timed out\)"):
            connect(uri)
    assert time.monotonic() - began < 10


def test_refuses_a_folder_for_a_server() -> None:
    with pytest.raises(UserError, match="start one with `mlflow server"):
        connect("file:///nowhere")


def test_what_fails_at_the_server_is_a_user_error(server: str) -> None:
    client = connect(server)
    with pytest.raises(UserError, match=r"did not do what was asked .*goes on where it stopped"), talking(client):
        client.get_run("no such run")


def test_mlflow_reports_to_nobody_and_only_the_registry_knows_it() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    # Whoever imports mlflow before the registry does would import it with its reporting on.
    package = Path(medgraft.__file__).parent
    users = {p for p in package.rglob("*.py") if re.search(r"^\s*(import|from) mlflow", p.read_text(), re.MULTILINE)}
    assert users
    assert {path.relative_to(package).parts[0] for path in users} == {"registry"}


def test_hides_a_password() -> None:
    assert shown("https://user:secret@host:5000/path") == "https://host:5000/path"
    assert shown("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
