"""A workspace in a folder, and the real command line run in it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

MEDGRAFT = Path(sys.executable).parent / "medgraft"


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Write params.yaml into a workspace."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def environment(**variables: str) -> dict[str, str]:
    """The environment of a command: two threads that do not spin, beside other tests' servers."""
    return os.environ | {"OMP_WAIT_POLICY": "PASSIVE"} | variables


def medgraft(folder: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    """Run a command in the workspace and return what it printed, of both streams; asserts the exit code."""
    done = subprocess.run(
        [str(MEDGRAFT), *arguments],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout
