from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.ham10000 import HamSettings, read
from medgraft.errors import UserError


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, HamSettings(type="ham10000", **settings)))


def test_a_lesion_is_a_group(tmp_path: Path) -> None:
    layouts.ham10000(tmp_path)
    records = _read(tmp_path)
    assert (len(records), len({record.group for record in records})) == (28, 14)
    assert records[3] == Record(
        reference="HAM10000_metadata.tab row 4",
        content=ImageFile(tmp_path / "HAM10000_images_part_2/ISIC_0024309.jpg"),
        label="bcc",
        group="HAM_0000001",
        subgroups={"age": 5, "sex": "male", "localization": "back", "site": "rosendahl"},
    )
    settings = HamSettings(type="ham10000")
    assert (settings.grouped, settings.labels, settings.subgroup_columns) == (True, None, list(records[0].subgroups))


@pytest.mark.parametrize("name", ["HAM10000_metadata", "HAM10000_metadata.csv"])
def test_kaggles_copy(tmp_path: Path, name: str) -> None:
    layouts.ham10000(tmp_path)
    lines = (tmp_path / "HAM10000_metadata.tab").read_text().splitlines()
    (tmp_path / name).write_text("\n".join(",".join(line.split("\t")[:-1]) for line in lines))
    (tmp_path / "ham10000_images_part_1").symlink_to(tmp_path / "HAM10000_images_part_1")  # its images lie there twice
    records = _read(tmp_path)
    assert records[0].reference == f"{name} row 1"
    assert {(record.problem, record.subgroups["site"]) for record in records} == {(None, None)}


def test_the_test_set_of_the_challenge(tmp_path: Path) -> None:
    layouts.ham10000(tmp_path)
    records = _read(tmp_path, challenge_test=True)
    assert [record.split for record in records] == ["train"] * 28 + ["test"] * 14
    assert {record.problem for record in records} == {None}
    assert records[-1].content == ImageFile(tmp_path / "ISIC2018_Task3_Test_Images/ISIC_0034537.jpg")


def test_nothing_downloaded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no file HAM10000_metadata or"):
        _read(tmp_path)
