"""One set of phantoms and one MLflow server for both engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import mlflow_server
from tests.tiny import tiny_source


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of images."""
    return tiny_source(tmp_path_factory.mktemp("source") / "phantoms")


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri
