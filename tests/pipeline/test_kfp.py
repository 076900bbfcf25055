"""The Kubeflow pipeline, run by Kubeflow's local runner in processes: from phantoms to a registered model."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from kfp import dsl, local
from mlflow import MlflowClient

from medgraft.artifacts import read_card, read_json
from pipelines.study import study
from tests.tiny import tiny_params

ENVIRONMENT = ("MLFLOW_TRACKING_URI", "MEDGRAFT_STORE")


@pytest.fixture(scope="module")
def outputs(source: Path, tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: one folder a task below it."""
    folder = tmp_path_factory.mktemp("kfp")
    params = tiny_params(Path("/nowhere"), "http://127.0.0.1:9")
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "outputs"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ENVIRONMENT:
            patch.delenv(name, raising=False)
        study()(
            params=yaml.safe_dump(params, sort_keys=False),
            source=str(source),
            tracking_uri=tracking_uri,
            store=str(folder / "store"),
            overrides=["registration.model_name=from_kubeflow", "study.max_images=128"],
        )
    (run,) = (folder / "outputs").iterdir()
    return run


def test_x(outputs):
    for p in sorted(outputs.rglob("*")):
        print(p.relative_to(outputs))
