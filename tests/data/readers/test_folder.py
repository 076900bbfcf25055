import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from medgraft.data.content import BadImageError
from medgraft.data.images import ImageFile
from medgraft.data.readers.folder import FolderSettings, read
from medgraft.data.readers.nifti import NiftiSettings
from medgraft.data.readers.nifti import read as read_nifti
from medgraft.data.readers.reader import Record
from medgraft.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


def _touch(source: Path, *names: str) -> None:
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")


def _name(record: Record) -> str:
    assert isinstance(record.content, ImageFile)
    return record.content.path.name


def test_a_folder_a_class(source: Path) -> None:
    _touch(source, "sick/p2_1.png", "healthy/p1_1.png", "healthy/deeper/p1_2.png", "readme.txt")
    settings = FolderSettings(type="folder", group_pattern=r"(p\d+)_")
    found = [(r.content, r.label, r.group, r.problem) for r in read(source, settings)]
    assert found == [
        (ImageFile(source / "healthy/deeper/p1_2.png"), "healthy", "p1", None),
        (ImageFile(source / "healthy/p1_1.png"), "healthy", "p1", None),
        (None, None, None, "not inside a class folder"),
        (ImageFile(source / "sick/p2_1.png"), "sick", "p2", None),
    ]


def test_a_folder_a_split_and_a_class(source: Path) -> None:
    _touch(source, "train/sick/1.png", "val/sick/2.png", "test/healthy/3.png", "test/4.png")
    settings = FolderSettings(type="folder", layout="split/class", split_values={"val": "validation"})
    found = {_name(r): (r.split, r.label, r.group) for r in read(source, settings) if r.content}
    assert found == {
        "1.png": ("train", "sick", None),
        "2.png": ("validation", "sick", None),
        "3.png": ("test", "healthy", None),
    }
    with pytest.raises(UserError, match="'val' is not a split"):
        list(read(source, FolderSettings(type="folder", layout="split/class")))


def test_references_tell_neither_label_nor_name(source: Path) -> None:
    _touch(source, "lesion/MRN-1_2020.png", "healthy/MRN-2_2021.png", "MRN-3/x.png")
    references = [r.reference for r in read(source, FolderSettings(type="folder"))]
    assert references == ["file 1", "file 2", "file 3"]


def test_links_out_of_the_source_are_not_followed(source: Path, tmp_path: Path) -> None:
    _touch(source, "sick/1.png")
    (tmp_path / "secret.png").write_bytes(b"x")
    (source / "sick" / "2.png").symlink_to(tmp_path / "secret.png")
    (source / "sick" / "3.png").symlink_to(source / "sick" / "1.png")
    found = {r.reference: (r.content, r.problem) for r in read(source, FolderSettings(type="folder"))}
    assert found["file 2"] == (None, "a link that leads out of the source")
    assert found["file 3"] == (ImageFile(source / "sick" / "3.png"), None)


def test_a_name_that_is_no_text_gives_neither_label_nor_patient(source: Path) -> None:
    _touch(source, os.fsdecode(b"sick/p\xff1.png"))
    [record] = read(source, FolderSettings(type="folder", group_pattern="(p.1)"))
    assert record == Record("file 1", problem="a name that is no text")


def test_a_name_without_the_pattern_has_no_patient(source: Path) -> None:
    _touch(source, "sick/unknown.png")
    [record] = read(source, FolderSettings(type="folder", group_pattern=r"(p\d+)"))
    assert record.group is None


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "not a regular expression"), ("p", "has 0"), ("(p)(q)", "has 2")]
)
def test_patterns_have_one_group(pattern: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FolderSettings(type="folder", group_pattern=pattern)
    assert not FolderSettings(type="folder").grouped
    assert FolderSettings(type="folder", group_pattern="(p)").grouped


def test_loops_of_links_pipes_and_linked_folders_are_quarantined(source: Path) -> None:
    _touch(source, "sick/1.png", "deeper/in/2.png")
    (source / "sick" / "loop.png").symlink_to("loop.png")
    (source / "sick" / "more").symlink_to(source / "deeper")
    os.mkfifo(source / "sick" / "pipe.png")
    asked = NiftiSettings.model_validate({"type": "nifti", "files": {"type": "folder"}})
    for records in (list(read(source, FolderSettings(type="folder"))), list(read_nifti(source, asked))):
        assert [r.problem for r in records] == [None, None, None, "not a regular file", "not a regular file"]
        loop = records[2].content
        assert loop is not None
        with pytest.raises(BadImageError, match=r"^file cannot be read \(OSError\)$"):
            loop.digest()
