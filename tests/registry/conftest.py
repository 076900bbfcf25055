"""A study and its package, each made once for all tests of the registry."""

from pathlib import Path

import pytest
from tests.registry.study import Study, make_study

from medgraft.registry.package import CONTENT, Release, write_package
from medgraft.registry.winner import Winner, read_winner

RELEASE = Release(model_name="nodules", max_pixels=1_000_000, openings=3, fingerprint="f" * 32)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"), tracking_uri="http://127.0.0.1:9")


@pytest.fixture(scope="session")
def winner(study: Study) -> Winner:
    return read_winner(study.dataset, study.candidates, study.evaluation)


@pytest.fixture(scope="session")
def package(study: Study, winner: Winner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MLflow model folder of the study's winner."""
    folder = tmp_path_factory.mktemp("package") / "model"
    write_package(folder, winner, study.dataset, RELEASE)
    return folder


@pytest.fixture(scope="session")
def content(package: Path) -> Path:
    """Its own files: ONNX, weights, card."""
    return package / CONTENT
