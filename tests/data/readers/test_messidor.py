from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.messidor import MessidorSettings, read
from medgraft.errors import UserError


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, MessidorSettings(type="messidor", **settings)))


def test_both_eyes_are_one_group(tmp_path: Path) -> None:
    layouts.messidor_2(tmp_path)
    records = _read(tmp_path)
    assert [record.label for record in records] == [*"00112233", None, None]
    groups = [record.group for record in records]
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == 5
    assert records[1].content == ImageFile(tmp_path / "IMAGES/IM000000.JPG")  # .jpg in the table
    assert {record.problem for record in records} == {None}
    assert MessidorSettings(type="messidor").grouped


def test_the_other_grade_and_the_other_names_of_columns(tmp_path: Path) -> None:
    layouts.messidor_2(tmp_path)
    table = tmp_path / "messidor_data.csv"
    table.write_text(table.read_text().replace("image_id,adjudicated_dr_grade", "id_code,diagnosis"))
    assert [record.label for record in _read(tmp_path)][:4] == ["0", "0", "1", "1"]
    assert [record.label for record in _read(tmp_path, grade="edema")] == ["0", "0", "1", "1"] * 2 + [None, None]


def test_an_image_without_a_pair_has_no_group(tmp_path: Path) -> None:
    layouts.messidor_2(tmp_path)
    (tmp_path / "messidor-2.csv").write_text("left;right\nIM000000.JPG;\n")
    records = _read(tmp_path)
    assert [record.group for record in records[:3]] == [None, "im000000.jpg", None]


def test_an_image_in_two_pairs_is_a_mistake(tmp_path: Path) -> None:
    layouts.messidor_2(tmp_path)
    with (tmp_path / "messidor-2.csv").open("a") as table:
        table.write("IM000000.JPG;other.png\n")
    with pytest.raises(UserError, match=r"messidor-2\.csv row 6: names an image that an earlier row names"):
        _read(tmp_path)


def test_the_first_messidor(tmp_path: Path) -> None:
    layouts.messidor(tmp_path)
    records = _read(tmp_path, edition="messidor")
    assert [record.label for record in records] == ["0", "1", "2", "3"] * 2
    assert [record.label for record in _read(tmp_path, edition="messidor", grade="edema")] == ["0", "1", "2", "0"] * 2
    assert {record.subgroups["site"] for record in records} == {
        "Service Ophtalmologie Lariboisière",
        "CHU de St Etienne",
    }
    assert records[4].reference == "Annotation_Base33.csv row 1"
    assert records[4].content == ImageFile(tmp_path / "Base33/20051019_00000_0100_PP_Base33.tif")
    settings = MessidorSettings(type="messidor", edition="messidor")
    assert (settings.grouped, settings.subgroup_columns) == (False, ["site"])
    for sheet in tmp_path.glob("*.csv"):
        sheet.rename(sheet.with_suffix(".xls"))
    with pytest.raises(UserError, match="save the sheets"):
        _read(tmp_path, edition="messidor")
