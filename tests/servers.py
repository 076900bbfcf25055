"""Real servers for tests, each in a process group of its own that ends with the test."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """An MLflow tracking server and model registry that keeps everything in `folder`; gives its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        "server",
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "files")),
    ]
    with serving(command, f"http://127.0.0.1:{port}/health", folder) as uri:
        yield uri


@cache
def shared_mlflow_server() -> str:
    """The URI of one server for all tests that keep to experiments and models of their own; ends with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(TemporaryDirectory())
    return stack.enter_context(mlflow_server(Path(folder)))


@contextmanager
def model_server(model_uri: str, tracking_uri: str, folder: Path) -> Iterator[str]:
    """`mlflow models serve` of a registered model; gives the URI whose `/invocations` answers."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        *("models", "serve", "--model-uri", model_uri, "--env-manager", "local"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
    ]
    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with serving(command, f"http://127.0.0.1:{port}/ping", folder, environment) as uri:
        yield uri


@contextmanager
def serving(
    command: Sequence[str], health: str, folder: Path, environment: Mapping[str, str] | None = None, seconds: float = 90
) -> Iterator[str]:
    """Run `mlflow <command>` in `folder` until the block ends; gives the URI once `health` answers 200."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = os.environ | ENVIRONMENT | {"PATH": path} | dict(environment or {})
    log = folder / f"{command[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, health, log, seconds)
        yield health.rpartition("/")[0]
    finally:
        _end(process)


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], health: str, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}:\n{log.read_text()}")
        try:
            if requests.get(health, timeout=2).status_code == 200:
                return
        except requests.RequestException:
            pass  # not listening yet
        time.sleep(0.1)
    raise TimeoutError(f"{health} did not answer within {seconds} s:\n{log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
