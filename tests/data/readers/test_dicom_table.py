import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.dicoms import write

from medgraft.data.readers.dicom import read
from medgraft.data.readers.dicom_settings import DicomSettings
from medgraft.data.readers.reader import Record
from medgraft.errors import UserError

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)
TABLE = {"table": "labels.csv", "join": {"column": "id", "tag": "SOPInstanceUID"}, "label": "finding"}


def _settings(**changes: Any) -> DicomSettings:
    return DicomSettings(**({"type": "dicom"} | changes))


def _read(folder: Path, **changes: Any) -> list[Record]:
    return list(read(folder, _settings(**changes)))


def _write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("tag", "element"),
    [
        ("StudyInstanceUID", {"StudyInstanceUID": "1.2.7"}),
        ("SeriesInstanceUID", {"SeriesInstanceUID": "1.2.7"}),
        ("AccessionNumber", {"AccessionNumber": "1.2.7"}),
        ("PatientID", {"PatientID": "1.2.7"}),
        ("path", {}),
        ("stem", {}),
    ],
)
def test_labels_from_a_table(tmp_path: Path, tag: str, element: dict[str, str]) -> None:
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "f.dcm", GRAY, **element)
    name = {"path": "d/f.dcm", "stem": "f"}.get(tag, "1.2.7")
    _write_table(
        tmp_path, [{"id": name, "finding": "ill", "set": "val"}, {"id": "gone", "finding": "x", "set": "test"}]
    )
    options = {"split": "set", "split_values": {"val": "validation"}}
    first, second = _read(tmp_path, **TABLE | {"join": {"column": "id", "tag": tag}} | options)
    assert (first.label, first.split, first.problem) == ("ill", "validation", None)
    assert second == Record("labels.csv row 2", problem="no file for this row")


def test_rows_and_files_that_do_not_find_each_other(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"nothing")
    for name in ("a", "b", "c"):
        write(tmp_path / name, GRAY, AccessionNumber=name)
    rows = [("a", "ill"), ("a", "ill"), ("b", "ill"), ("b", "healthy"), ("", "ill"), ("z", "ill"), ("z", "ill")]
    _write_table(tmp_path, [{"id": i, "finding": f} for i, f in rows])
    found = _read(tmp_path, **TABLE | {"join": {"column": "id", "tag": "AccessionNumber"}})
    assert [(r.reference, r.label, r.problem) for r in found] == [
        ("file 1", "ill", None),
        ("file 2", None, "rows of the table disagree on its label"),
        ("file 3", None, "not a DICOM file"),
        ("file 4", None, None),
        ("labels.csv row 5", None, "names no image"),
        ("labels.csv row 6", None, "no file for this row"),
        ("labels.csv row 7", None, "no file for this row"),
    ]


def test_several_labels_from_a_table(tmp_path: Path) -> None:
    write(tmp_path / "a", GRAY)
    write(tmp_path / "b", GRAY)
    _write_table(tmp_path, [{"id": "a", "x": "1", "y": "-1"}, {"id": "b", "x": "0", "y": "maybe"}])
    settings = _settings(table="labels.csv", join={"column": "id", "tag": "stem"}, labels=["x", "y"], uncertain="ones")
    assert settings.labels == ["x", "y"]
    first, second = read(tmp_path, settings)
    assert (first.labels, first.problem) == ({"x": 1, "y": 1}, None)
    assert second.problem == "a label that is not 1, 0, -1 or blank"


def test_tables_that_lack_a_column(tmp_path: Path) -> None:
    write(tmp_path / "a", GRAY)
    _write_table(tmp_path, [{"uid": "a", "findings": "ill"}])
    with pytest.raises(UserError, match=r"2 problems in labels\.csv"):
        _read(tmp_path, **TABLE)
