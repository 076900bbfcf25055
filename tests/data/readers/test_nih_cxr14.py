from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.nih_cxr14 import FINDINGS, NihSettings, read
from medgraft.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    layouts.nih_cxr14(tmp_path)
    return tmp_path


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, NihSettings(type="nih_cxr14", **settings)))


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_as_downloaded(source: Path) -> None:
    records = _read(source)
    assert len(records) == 16
    second = records[1]
    assert second.reference == "Data_Entry_2017.csv row 2"
    assert second.content == ImageFile(source / "images_001/images/00000001_001.png")
    assert second.labels == dict.fromkeys(FINDINGS, 0) | {"Atelectasis": 1, "Nodule": 1}
    assert (second.group, second.split, second.problem) == ("00000001", "train", None)
    assert second.subgroups == {"age": 50, "sex": "M", "view": "PA"}
    assert records[2].labels == dict.fromkeys(FINDINGS, 0)  # No Finding
    assert records[4].subgroups["age"] is None  # 411 years
    assert [record.split for record in records] == (["train"] * 4 + ["test"] * 4) * 2
    settings = NihSettings(type="nih_cxr14")
    assert (settings.grouped, settings.labels, settings.subgroup_columns) == (True, FINDINGS, ["age", "sex", "view"])
    assert tuple(FINDINGS) == layouts.FINDINGS_14


def test_releases(source: Path) -> None:
    table = source / "Data_Entry_2017.csv"
    _edit(table, "Patient Gender", "Patient Sex")
    _edit(table, "00000001_000.png,Atelectasis,0,1,50,", "00000001_000.png,Atelectasis,000,00000001,050Y,")
    table.rename(source / "Data_Entry_2017_v2020.csv")
    first = _read(source)[0]
    assert first.reference == "Data_Entry_2017_v2020.csv row 1"
    assert (first.group, first.subgroups) == ("00000001", {"age": 50, "sex": "M", "view": "PA"})


def test_one_folder_of_images(source: Path) -> None:
    (source / "images").mkdir()
    for path in list(source.glob("images_*/images/*.png")):
        path.rename(source / "images" / path.name)
    assert {record.problem for record in _read(source)} == {None}


def test_rows_that_cannot_be_used(source: Path) -> None:
    (source / "images_001/images/00000001_000.png").unlink()
    _edit(source / "Data_Entry_2017.csv", "00000002_000.png,No Finding", "00000002_000.png,No Finding|Mass")
    _edit(source / "Data_Entry_2017.csv", "00000002_001.png,No Finding", "00000002_001.png,Tumour")
    problems = [record.problem for record in _read(source)][:5]
    assert problems == [
        "file missing",
        None,
        "a finding beside the word for no finding",
        "a label that is not among the reader's labels",
        None,
    ]


def test_without_the_official_split(source: Path) -> None:
    (source / "test_list.txt").unlink()
    with pytest.raises(UserError, match=r"no list test_list\.txt .*official_split: false"):
        _read(source)
    assert {record.split for record in _read(source, official_split=False)} == {None}


def test_lists_that_overlap(source: Path) -> None:
    with (source / "test_list.txt").open("a") as stream:
        stream.write("00000001_000.png\n00000001_001.png\n")
    with pytest.raises(UserError, match="2 images are in both"):
        _read(source)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file Data_Entry_2017\.csv or Data_Entry_2017_v2020\.csv"):
        _read(tmp_path)
