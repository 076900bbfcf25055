"""Identifiers planted in every place of a file that can hold one, and none of them comes through."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from tests.data.dicoms import PLENTY, dataset, encoded, item

from medgraft.data.readers.dicom import read
from medgraft.data.readers.dicom_settings import DicomSettings
from medgraft.data.readers.reader import Record

NAME, BIRTH, MRN, STUDY, NOTE = "Mustermann^Erika", "19640812", "MRN-4711-x", "1.2.826.0.1.99.1", "see Mrs. Mustermann"
SECRETS = ("Mustermann", "Erika", "1964", "4711", "1.2.826", "Waldkrankenhaus", "Dr. Huber", "ACC-31", "preamble of")
SETTINGS = DicomSettings(
    type="dicom",
    subgroups=["PatientAge", "PatientSex", "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "KVP"],
    sites={"Waldkrankenhaus": "a"},
)


def _planted(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> FileDataset:
    made = dataset(
        pixels,
        PatientName=NAME,
        PatientBirthDate=BIRTH,
        PatientID=MRN,
        PatientAge="058Y",
        PatientSex="F",
        PatientComments=NOTE,
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=STUDY + ".1",
        AccessionNumber="ACC-31",
        StudyDate="20200102",
        InstitutionName="Waldkrankenhaus",
        ReferringPhysicianName="Dr. Huber",
        Manufacturer=NAME,  # free text where a short value belongs
        ManufacturerModelName="scanner of Mrs. Erika Mustermann, born 12 August 1964",
        BodyPartExamined="MRN 47114711",
        OtherPatientIDsSequence=[item(PatientID=MRN)],
        RequestAttributesSequence=[item(RequestedProcedureDescription=NOTE)],
        ImageComments=NOTE,
    )
    made.preamble = b"preamble of Mustermann".ljust(128, b"\0")
    made.file_meta.SourceApplicationEntityTitle = "Mustermann"
    private = made.private_block(0x0029, "Mustermann", create=True)
    private.add_new(0x10, "LO", NOTE)
    overlay = made.group_dataset(0x6000) or Dataset()
    made.add_new(0x60000022, "LO", NOTE)
    assert isinstance(overlay, Dataset)
    return made


def _records(folder: Path) -> list[Record]:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (folder / f"{NAME} {BIRTH}.dcm").write_bytes(encoded(_planted(pixels)))
    damaged = _planted(pixels)
    damaged.Rows = 7
    (folder / f"{NAME} damaged.dcm").write_bytes(encoded(damaged))
    burned = _planted(pixels)
    burned.BurnedInAnnotation = "YES"
    (folder / f"{NAME} burned.dcm").write_bytes(encoded(burned))
    return list(read(folder, SETTINGS))


def test_only_the_group_and_the_study_tell_who_it_is(tmp_path: Path) -> None:
    records = _records(tmp_path)
    assert sorted(str(record.problem) for record in records) == [
        "None",
        "burned-in text",
        "wrong length of the pixel data",
    ]
    for record in records:
        told = repr(replace(record, content=None, group=None, study=None))
        assert not [secret for secret in SECRETS if secret in told]
    [image] = [record for record in records if record.problem is None]
    assert (image.group, image.study) == (MRN, STUDY)
    assert image.subgroups == {
        "PatientAge": 58,
        "PatientSex": "F",
        "Manufacturer": None,
        "ManufacturerModelName": None,
        "BodyPartExamined": None,
        "KVP": None,
        "site": "a",
    }


def test_images_bring_nothing_but_pixels(tmp_path: Path) -> None:
    [image] = [record for record in _records(tmp_path) if record.problem is None]
    assert image.content is not None
    found = image.content.load(PLENTY)
    assert found.array.tobytes() == bytes(range(64))
    assert (found.mode, found.changes, found.spacing) == ("DICOM MONOCHROME2 8 bit", (), None)
    assert image.content.kept() is None


def test_nothing_is_said_of_values_that_are_wrong(tmp_path: Path) -> None:
    # As a process of its own: what libraries warn of, they warn of on standard error.
    raw = encoded(_planted(np.zeros((8, 8), np.uint8)))
    for number, (old, new) in enumerate(
        [(STUDY.encode(), b"1.2.826.Erika!!!"), (b"058Y", b"Erik"), (BIRTH.encode(), b"Mustermn"), (b"MR", b"\xff\xfe")]
    ):
        (tmp_path / f"Mustermann {number}").write_bytes(raw.replace(old, new))
    (tmp_path / "Mustermann short").write_bytes(raw[:-20])
    code = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG)\n"
        "from pathlib import Path\n"
        "from medgraft.data.readers.dicom import read\n"
        "from medgraft.data.readers.dicom_settings import DicomSettings\n"
        "s = DicomSettings(type='dicom', subgroups=['PatientAge'], dates=['StudyDate'])\n"
        "for r in read(Path(sys.argv[1]), s): print(r.problem, r.content and r.content.load(10**6).mode)\n"
    )
    run = [sys.executable, "-W", "always", "-c", code, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 5
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
