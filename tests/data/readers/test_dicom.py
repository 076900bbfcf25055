import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tests.data.dicoms import PLENTY, RAMP, dataset, encoded, write

from medgraft.data.dicom.frame import DicomFrame
from medgraft.data.readers.dicom import read
from medgraft.data.readers.dicom_settings import DicomSettings
from medgraft.data.readers.reader import Record, readers

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)
TABLE = {"table": "labels.csv", "join": {"column": "id", "tag": "SOPInstanceUID"}, "label": "finding"}


def _settings(**changes: Any) -> DicomSettings:
    return DicomSettings(**({"type": "dicom"} | changes))


def _read(folder: Path, **changes: Any) -> list[Record]:
    return list(read(folder, _settings(**changes)))


def test_every_file_is_a_record_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "IM0001", GRAY, PatientID="p1", StudyInstanceUID="1.2.3")
    write(tmp_path / "a.dcm", GRAY, PatientID="p2")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    (tmp_path / "empty").touch()
    assert _read(tmp_path) == [
        Record("file 1", DicomFrame(tmp_path / "a.dcm"), group="p2"),
        Record("file 2", DicomFrame(tmp_path / "b" / "IM0001"), group="p1", study="1.2.3"),
        Record("file 3", problem="empty file"),
        Record("file 4", problem="not a DICOM file"),
    ]


def test_the_source_may_be_one_file(tmp_path: Path) -> None:
    frame = write(tmp_path / "one", GRAY)
    assert _read(tmp_path / "one") == [Record("file 1", frame, group="p1")]


def test_links_out_of_the_source_and_what_is_no_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    frame = write(tmp_path / "outside", GRAY)
    write(source / "inside", GRAY)
    (source / "link").symlink_to(frame.path)
    (source / "loop").symlink_to(source / "loop")
    (source / "near").symlink_to(source / "inside")
    os.mkfifo(source / "pipe")
    assert [record.problem for record in _read(source)] == [
        None,
        "a link that leads out of the source",
        "file cannot be read (OSError)",
        None,
        "not a regular file",
    ]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"ill\xff")
    folder.mkdir()
    write(folder / "f", GRAY)
    assert _read(tmp_path, label_from="folder") == [Record("file 1", problem="a name that is no text")]


def test_each_frame_is_a_record_of_one_patient(tmp_path: Path) -> None:
    write(tmp_path / "f", np.stack([GRAY, GRAY + 1, GRAY + 2, GRAY + 3]), NumberOfFrames=4)
    records = _read(tmp_path)
    assert [record.reference for record in records] == [f"file 1 frame {n}" for n in (1, 2, 3, 4)]
    assert {record.group for record in records} == {"p1"}
    for number, record in enumerate(records):
        assert record.content is not None
        assert (record.content.load(PLENTY).array[..., 0] == GRAY + number).all()
    [middle] = _read(tmp_path, frames="middle")
    assert middle == records[1]


def test_the_window_goes_to_every_image(tmp_path: Path) -> None:
    ct = {"Modality": "CT", "BitsStored": 12, "RescaleSlope": "1", "RescaleIntercept": "-1024"}
    write(tmp_path / "f", RAMP, **ct)
    for asked, window in (("lung", "lung"), ({"center": 40, "width": 80}, (40.0, 80.0)), (None, None)):
        assert _read(tmp_path, window=asked)[0].content == DicomFrame(tmp_path / "f", 0, window)  # type: ignore[arg-type]  # names of windows


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned-in text"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]}, "burned-in text"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture (its class)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, "secondary capture (its class)"),
        ({"ConversionType": "WSD"}, "secondary capture (conversion type WSD)"),
        ({"ConversionType": "DF"}, "secondary capture (conversion type DF)"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "secondary capture (its image type)"),
        ({"ConversionType": "DI", "BurnedInAnnotation": "NO"}, None),
    ],
)
def test_pixels_that_may_show_more_than_a_body(tmp_path: Path, elements: dict[str, Any], reason: str | None) -> None:
    write(tmp_path / "f", GRAY, **elements)
    [record] = _read(tmp_path)
    assert record.problem == reason
    assert (record.content is None) == (reason is not None)
    [kept] = _read(tmp_path, burned_in="keep", secondary_capture="keep")
    assert kept.problem is None


def test_strict_takes_only_what_denies_text(tmp_path: Path) -> None:
    write(tmp_path / "a", GRAY)
    write(tmp_path / "b", GRAY, BurnedInAnnotation="NO")
    assert [r.problem for r in _read(tmp_path, burned_in="strict")] == ["burned-in text not ruled out", None]


@pytest.mark.parametrize(
    "nobody", ["", "0", "000", "ANONYMOUS", "Anonymized", "unknown", "N/A", "XXXX", "-", "De-identified", "no_id"]
)
def test_ids_of_no_one_are_no_group(tmp_path: Path, nobody: str) -> None:
    write(tmp_path / "f", GRAY, PatientID=nobody)
    assert _read(tmp_path)[0].group is None


@pytest.mark.parametrize("someone", ["01", "anon-0017", "X12", "unknown 3", "patient 4"])
def test_ids_that_tell_people_apart_are_groups(tmp_path: Path, someone: str) -> None:
    write(tmp_path / "f", GRAY, PatientID=f" {someone} ")
    assert _read(tmp_path)[0].group == someone


def test_an_issuer_counts_only_where_every_file_of_the_id_names_one(tmp_path: Path) -> None:
    for name, number, issuer in (("a", "7", "X"), ("b", "7", "Y"), ("c", "8", "X"), ("d", "8", None), ("e", "9", None)):
        write(tmp_path / name, GRAY, PatientID=number, IssuerOfPatientID=issuer)
    assert [record.group for record in _read(tmp_path)] == ["7^^^X", "7^^^Y", "8", "8", "9"]


def test_labels_from_folders(tmp_path: Path) -> None:
    for name in ("ill/deep", "healthy"):
        (tmp_path / name).mkdir(parents=True)
        write(tmp_path / name / "f", GRAY)
    write(tmp_path / "f", GRAY)
    records = _read(tmp_path, label_from="folder")
    assert [(record.label, record.problem) for record in records] == [
        (None, "not inside a class folder"),
        ("healthy", None),
        ("ill", None),
    ]


def test_the_tags_that_are_kept(tmp_path: Path) -> None:
    elements = {
        "PatientSex": "F",
        "PatientAge": "093Y",
        "Manufacturer": "ACME  Medical Systems, Inc.",
        "KVP": "120",
        "SliceThickness": "0.625",
        "InstitutionName": "General Hospital",
        "StudyDate": "20200229",
        "AcquisitionDate": "00010101",
        "ContentDate": "tomorrow",
    }
    made = dataset(GRAY, **{k: v for k, v in elements.items() if k != "ContentDate"})
    made.add_new("ContentDate", "LO", "tomorrow")
    (tmp_path / "f").write_bytes(encoded(made))
    settings = _settings(
        subgroups=["PatientSex", "PatientAge", "Manufacturer", "KVP", "SliceThickness", "ViewPosition"],
        sites={"General Hospital": "north"},
        dates=["StudyDate", "AcquisitionDate", "ContentDate"],
    )
    [record] = read(tmp_path, settings)
    assert record.subgroups == {
        "PatientSex": "F",
        "PatientAge": 90,
        "Manufacturer": "ACME Medical Systems, Inc.",
        "KVP": 120.0,
        "SliceThickness": 0.625,
        "ViewPosition": None,
        "site": "north",
        "StudyDate": "2020-02-29",
        "AcquisitionDate": None,
        "ContentDate": None,
    }
    assert list(record.subgroups) == settings.subgroup_columns
    assert settings.date_columns == ["StudyDate", "AcquisitionDate", "ContentDate"]
    assert settings.grouped


@pytest.mark.parametrize(
    ("tag", "value", "kept"),
    [
        ("PatientAge", "013M", 1),
        ("PatientAge", "100W", 1),
        ("PatientAge", "009D", 0),
        ("PatientAge", "61", None),
        ("PatientSex", "female", None),
        ("Manufacturer", "Doe^Jane", None),
        ("Manufacturer", "born 19640812", None),
        ("Manufacturer", "x" * 41, None),
        ("BodyPartExamined", "CHEST", "CHEST"),
        ("MagneticFieldStrength", "three", None),
    ],
)
def test_values_of_another_form_are_dropped(tmp_path: Path, tag: str, value: str, kept: Any) -> None:
    made = dataset(GRAY)
    made.add_new(tag, "LO", value)
    (tmp_path / "f").write_bytes(encoded(made))
    assert _read(tmp_path, subgroups=[tag])[0].subgroups == {tag: kept}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subgroups": ["PatientName"]}, "'PatientName' .*is not among the tags kept: PatientSex, PatientAge"),
        ({"subgroups": ["InstitutionName"]}, "under an alias only: list them in `sites`"),
        ({"subgroups": ["StudyDate"]}, "not among the tags kept"),
        ({"subgroups": ["KVP", "KVP"]}, "names a tag twice"),
        ({"dates": ["PatientBirthDate"]}, "not among the tags kept: StudyDate"),
        ({"window": "lungs"}, "window"),
        ({"window": {"center": 40, "width": 0}}, "greater than or equal to 1"),
        ({"table": "t.csv", "label": "x"}, "`table` and `join` need each other"),
        ({"join": {"column": "id", "tag": "stem"}}, "`table` and `join` need each other"),
        ({"label": "x"}, "needs `table`"),
        ({"labels": ["x"]}, "needs `table`"),
        ({"split": "x"}, "needs `table`"),
        (TABLE | {"label": None}, "name the table's column"),
        (TABLE | {"labels": ["x"]}, "neither `label` nor `label_from`"),
        (TABLE | {"label_from": "folder"}, "excludes `label_from`"),
        (TABLE | {"join": {"column": "id", "tag": "PatientName"}}, "SOPInstanceUID"),
    ],
)
def test_settings_are_checked_before_anything_is_read(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _settings(**changes)


def test_the_reader_is_in_the_catalog() -> None:
    assert readers.get("dicom").settings is DicomSettings


def test_files_of_many_patients(tmp_path: Path) -> None:
    raw = encoded(dataset(GRAY, PatientID="p0000"))
    for number in range(100):
        (tmp_path / f"{number:04}").write_bytes(raw.replace(b"p0000", f"p{number:04}".encode()))
    records = _read(tmp_path)
    assert Counter(record.group for record in records) == {f"p{number:04}": 1 for number in range(100)}
