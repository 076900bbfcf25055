"""One MLflow server, and one finished tiny study for every test that only reads it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import shared_mlflow_server
from tests.tiny import tiny_params, tiny_source
from tests.workspace import medgraft, write_params


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URI of a real MLflow server; tests keep to experiments and models of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # it would win over the URI given here
        yield shared_mlflow_server()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, server: str) -> Path:
    """A workspace in which `medgraft run` has finished; `run.log` holds what it printed."""
    folder = tmp_path_factory.mktemp("study")
    source = tiny_source(folder / "phantoms")
    write_params(folder, tiny_params(source, server))
    (folder / "run.log").write_text(medgraft(folder, "run"), encoding="utf-8")
    return folder
