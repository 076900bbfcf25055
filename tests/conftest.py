"""One finished tiny study for every test that only reads it."""

from pathlib import Path

import pytest
from tests.servers import shared_mlflow_server
from tests.tiny import tiny_params, tiny_source
from tests.workspace import medgraft, write_params


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `medgraft run` has finished; `run.log` holds what it printed."""
    folder = tmp_path_factory.mktemp("study")
    source = tiny_source(folder / "phantoms")
    write_params(folder, tiny_params(source, shared_mlflow_server()))
    (folder / "run.log").write_text(medgraft(folder, "run"), encoding="utf-8")
    return folder
