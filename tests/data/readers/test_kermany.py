import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.kermany import KermanySettings, read
from medgraft.errors import UserError


def _read(source: Path, **settings: Any) -> dict[str, Record]:
    """The records, by the names of their files."""
    records = list(read(source, KermanySettings(type="kermany", **settings)))
    assert [record.reference for record in records] == [f"file {n}" for n in range(1, len(records) + 1)]
    return {r.content.path.name: r for r in records if isinstance(r.content, ImageFile)}


def _splits_by_group(records: dict[str, Record]) -> dict[str | None, set[str | None]]:
    found: dict[str | None, set[str | None]] = defaultdict(set)
    for record in records.values():
        found[record.group].add(record.split)
    return found


def test_oct(tmp_path: Path) -> None:
    layouts.oct2017(tmp_path)
    records = _read(tmp_path)
    assert len(records) == 24
    record = records["DME-1016046-2.jpeg"]
    assert (record.label, record.group, record.split, record.problem) == ("DME", "1016046", "train", None)
    assert {len(splits) for splits in _splits_by_group(records).values()} == {1}
    assert KermanySettings(type="kermany").grouped


@pytest.mark.parametrize(
    ("name", "number", "in_class"),
    [
        ("CNV-1016042-1.jpeg", "1016042", "CNV-1016042"),
        ("NORMAL-1016042-10.jpeg", "1016042", "NORMAL-1016042"),
        ("BACTERIA-7422-0001.jpeg", "7422", "BACTERIA-7422"),
        ("person100_bacteria_475.jpeg", "person100", "person100_bacteria"),
        ("person100_virus_184.jpeg", "person100", "person100_virus"),
        ("IM-0115-0001.jpeg", "IM-0115", "IM-0115"),
        ("IM-0115-0001-0002.jpeg", "IM-0115", "IM-0115"),
        ("NORMAL2-IM-0115-0001.jpeg", "IM-0115", "NORMAL2-IM-0115"),
        ("scan.jpeg", None, None),
    ],
)
def test_patients_in_names(tmp_path: Path, name: str, number: str | None, in_class: str | None) -> None:
    (tmp_path / "train/X").mkdir(parents=True)
    (tmp_path / "train/X" / name).touch()
    assert _read(tmp_path)[name].group == number
    assert _read(tmp_path, patient="number in class")[name].group == in_class


def test_one_number_is_one_patient_unless_said_otherwise(tmp_path: Path) -> None:
    layouts.chest_xray(tmp_path)
    assert _splits_by_group(_read(tmp_path))["person1"] == {"train", "test"}
    in_class = _splits_by_group(_read(tmp_path, patient="number in class"))
    assert (in_class["person1_bacteria"], in_class["person1_virus"]) == ({"train"}, {"test"})
    assert {record.split for record in _read(tmp_path, official_split=False).values()} == {None}


def test_what_the_folders_become(tmp_path: Path) -> None:
    layouts.chest_xray(tmp_path)
    assert _read(tmp_path)["person1946_bacteria_4874.jpeg"].split == "validation"
    assert {r.split for r in _read(tmp_path, split_values={"val": "train"}).values()} == {"train", "test"}


def test_other_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    layouts.oct2017(tmp_path)
    (tmp_path / "train/NORMAL").mkdir(exist_ok=True)
    (tmp_path / "train/NORMAL/readme.txt").touch()
    (tmp_path / "OCT2017/train/NORMAL").mkdir(parents=True)
    (tmp_path / "OCT2017/train/NORMAL/NORMAL-1-1.jpeg").touch()
    assert len(_read(tmp_path)) == 24


def test_links_that_lead_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "train/CNV").mkdir(parents=True)
    (tmp_path / "CNV-1-1.jpeg").touch()
    (source / "train/CNV/CNV-1-1.jpeg").symlink_to(tmp_path / "CNV-1-1.jpeg")
    [record] = read(source, KermanySettings(type="kermany"))
    assert (record.content, record.problem) == (None, "the path is empty or leads out of the source")


def test_no_such_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folders train/<class>"):
        _read(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    layouts.oct2017(tmp_path)
    os.mkfifo(tmp_path / "train" / "DME" / "A.jpeg")
    records = read(tmp_path, KermanySettings(type="kermany"))
    assert [r.content for r in records if r.problem == "not a regular file"] == [None]
