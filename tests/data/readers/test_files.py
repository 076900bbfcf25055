import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from medgraft.data.content import BadImageError
from medgraft.data.images import ImageFile
from medgraft.data.readers.files import (
    AMBIGUOUS,
    IRREGULAR,
    MISSING,
    OUTSIDE,
    Folders,
    ImageIndex,
    folders_of,
    inside,
    located,
)
from medgraft.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for name in (
        "part_1/a.PNG",
        "part_1/both.png",
        "part_2/both.png",
        "part_2/c.png",
        "other/d.png",
        "part_1/deep/e.png",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (tmp_path / "secret.png").touch()
    (source / "part_1/out.png").symlink_to(tmp_path / "secret.png")
    (source / "part_1/in.png").symlink_to(source / "part_2/c.png")
    (source / "part_3").symlink_to(tmp_path)
    return source


def test_files_by_name_whatever_their_case(source: Path) -> None:
    index = ImageIndex(source, ["part_*"])
    assert index.locate("A.png") == (ImageFile(source / "part_1/a.PNG"), None)
    assert index.locate("in.png") == (ImageFile(source / "part_1/in.png"), None)
    assert index.locate("both.png") == (None, AMBIGUOUS)
    assert [index.locate(name) for name in ("out.png", "", None)] == [(None, OUTSIDE)] * 3
    missing = ["d.png", "e.png", "secret.png", "deep", "part_1/a.PNG", "../secret.png"]
    assert [index.locate(name) for name in missing] == [(None, MISSING)] * 6


def test_no_folder_at_all(source: Path) -> None:
    with pytest.raises(UserError, match=r"no folder images or part_9\*"):
        ImageIndex(source, ["images", "part_9*"])


def test_folders_come_once_and_never_lead_out(source: Path) -> None:
    assert folders_of(source, ["part_2", "part_*"]) == [source / "part_2", source / "part_1"]


@pytest.mark.parametrize("patterns", [[], [""], ["/etc"], ["a/../../b"], [".."]])
def test_folders_lie_below_the_source(patterns: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"below the source|at least 1 item"):
        TypeAdapter(Folders).validate_python(patterns)


@pytest.mark.parametrize(
    "path", ["", "..", "/etc/hostname", "part_3/secret.png", "part_1/out.png", "a/../../x", "loop"]
)
def test_paths_that_lead_out(source: Path, path: str) -> None:
    if path == "loop":
        (source / "loop").symlink_to(source / "loop2")
        (source / "loop2").symlink_to(source / "loop")
        assert inside(source, path) == source / "loop"  # leads nowhere, so nowhere else
    else:
        assert inside(source, path) is None


def test_paths_inside(source: Path) -> None:
    assert inside(source, "part_1/../part_2/c.png") == source / "part_1/../part_2/c.png"
    assert inside(source, "part_1/\0a.PNG") == source / "part_1/a.PNG"
    assert inside(source, "x" * 5000) == source / ("x" * 5000)
    assert located(None) == (None, OUTSIDE)


def test_pipes_folders_and_loops_of_links_are_no_files(source: Path) -> None:
    os.mkfifo(source / "part_1/pipe.png")
    (source / "part_1/loop.png").symlink_to("loop.png")
    assert located(source / "part_1/pipe.png") == located(source / "part_1") == (None, IRREGULAR)
    index = ImageIndex(source, ["part_1"])
    assert index.locate("pipe.png") == (None, IRREGULAR)
    content, problem = index.locate("loop.png")
    assert (content, problem) == (ImageFile(source / "part_1/loop.png"), None)
    with pytest.raises(BadImageError, match=r"^file cannot be read \(OSError\)$"):
        ImageFile(source / "part_1/loop.png").digest()
