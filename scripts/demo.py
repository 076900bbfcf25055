"""The demo: phantoms to a registered champion through `dvc repro`, then the leaderboard. Looks before it works."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medgraft.artifacts import read_card

BIN = Path(sys.executable).parent
EVALUATION = Path("artifacts/evaluation")
PROMOTED = Path("demo/promoted")  # names the evaluation whose winner was made champion
SERVER = Path("demo/mlflow")
ADDRESS = "127.0.0.1"


def main() -> None:
    """Do what is left to do, then say where everything is."""
    run("medgraft", "phantom", "demo/phantoms")
    if not finished():
        with mlflow_server() as uri:
            environment = {"MLFLOW_TRACKING_URI": uri}
            run("dvc", "repro", **environment)
            run("medgraft", "promote", **environment)
        PROMOTED.write_text(read_card(EVALUATION, "evaluation")["fingerprint"])
    else:
        print("everything is up to date; nothing to do")
    run("medgraft", "leaderboard")
    print("MLflow UI: `make ui`, then http://127.0.0.1:5000 (experiment and model of the demo)")


def finished() -> bool:
    """Whether DVC sees no change and the champion is the last evaluation's."""
    if not (PROMOTED.is_file() and (EVALUATION / "card.json").is_file()):
        return False
    if PROMOTED.read_text() != read_card(EVALUATION, "evaluation")["fingerprint"]:
        return False
    return subprocess.run([tool("dvc"), "status", "--quiet"], check=False).returncode == 0


@contextmanager
def mlflow_server() -> Iterator[str]:
    """An MLflow server on demo/mlflow for as long as the block lasts."""
    SERVER.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]
    uri = f"http://{ADDRESS}:{port}"
    print(f"starting an MLflow server for the demo ({uri})", flush=True)
    with (SERVER / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [tool("mlflow"), "server", "--host", ADDRESS, "--port", str(port), "--workers", "1", *storage()],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
    try:
        wait(uri, process)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def storage() -> list[str]:
    """Where the demo's MLflow keeps its database and artifacts."""
    database, files = SERVER / "mlflow.db", SERVER / "artifacts"
    return ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(files)]


def wait(uri: str, process: subprocess.Popen[bytes]) -> None:
    """Until the server answers; ends the demo when it does not."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.25)
    raise SystemExit(f"the MLflow server did not start; see {SERVER / 'server.log'}")


def run(name: str, *arguments: str, **environment: str) -> None:
    """Run one of the installed commands; the demo ends when it fails."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([tool(name), *arguments], env=os.environ | {"PATH": path} | environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def tool(name: str) -> str:
    """The path of an installed command."""
    found = shutil.which(name, path=str(BIN))
    if found is None:
        raise SystemExit(f"{name} is not installed; run `make setup`")
    return found


if __name__ == "__main__":
    main()
