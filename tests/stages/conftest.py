"""A clean source of images, and its rows, for tests to spoil."""

import shutil
from pathlib import Path

import pytest
from tests.data.sources import Row, write_images


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    folder = tmp_path_factory.mktemp("template")
    return folder, write_images(folder)


@pytest.fixture
def source(template: tuple[Path, list[Row]], tmp_path: Path) -> Path:
    return shutil.copytree(template[0], tmp_path / "source")


@pytest.fixture
def rows(template: tuple[Path, list[Row]]) -> list[Row]:
    return [dict(row) for row in template[1]]
