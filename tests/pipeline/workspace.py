"""A workspace with what DVC reads of this repository, and a params.yaml of its own."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medgraft.artifacts import read_json

ROOT = Path(__file__).parents[2]
FOLDERS = (".dvc/plots", "src")
FILES = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml", "requirements.lock")


@dataclass(frozen=True)
class Workspace:
    """The folder, and what its params.yaml says."""

    folder: Path
    params: dict[str, Any]

    def write_params(self) -> None:
        """Save `params`."""
        text = yaml.safe_dump(self.params, sort_keys=False)
        (self.folder / "params.yaml").write_text(text, encoding="utf-8")

    def dvc(self, *arguments: str) -> str:
        """Run a DVC command; its output."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_TRACKING", "MEDGRAFT_"))}
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.folder,
            env=variables | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self, *targets: str) -> list[str]:
        """Run what is not up to date; the stages that ran, in order."""
        return re.findall(r"Running stage '([^']+)'", self.dvc("repro", *targets))

    def artifact(self, *parts: str) -> Any:
        """A JSON file of an artifact."""
        return read_json(self.folder.joinpath("artifacts", *parts))


def make_workspace(folder: Path, params: dict[str, Any]) -> Workspace:
    """Copy what DVC reads to `folder`, a new git repository."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in FILES:
        shutil.copyfile(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    workspace = Workspace(folder, params)
    workspace.write_params()
    return workspace
