from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    RTDoseStorage,
    SegmentationStorage,
)
from tests.data.dicoms import PLENTY, RAMP, dataset, encoded, item, loaded, write

from medgraft.data.content import BadImageError
from medgraft.data.dicom.frame import DicomFrame

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8)


def reason(path: Path, raw: bytes, max_pixels: int = PLENTY) -> str:
    """Why the file is not loaded."""
    path.write_bytes(raw)
    with pytest.raises(BadImageError) as caught:
        DicomFrame(path).load(max_pixels)
    return str(caught.value)


def without(made: FileDataset, *keywords: str) -> FileDataset:
    """The data set less some elements."""
    for keyword in keywords:
        del made[keyword]
    return made


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"SOPClassUID": EncapsulatedPDFStorage}, "not an image (Encapsulated PDF Storage)"),
        ({"SOPClassUID": SegmentationStorage}, "not an image (Segmentation Storage)"),
        ({"SOPClassUID": RTDoseStorage}, "not an image (RT Dose Storage)"),
        ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.88.11")}, "not an image (Basic Text SR Storage)"),
        ({"SOPClassUID": UID("1.2.840.10008.1.3.10")}, "a directory of files, not an image"),
        ({"Rows": 0}, "no size (Rows or Columns)"),
        ({"Columns": None}, "no size (Rows or Columns)"),
        ({"NumberOfFrames": -1}, "damaged header (a negative number of frames)"),
        ({"BitsAllocated": 12}, "damaged header (bits of a pixel)"),
        ({"BitsStored": 9, "HighBit": 8}, "damaged header (bits of a pixel)"),
        ({"PixelRepresentation": 3}, "damaged header (bits of a pixel)"),
        ({"BitsStored": 6, "HighBit": 7}, "unsupported bits (not the lowest of a pixel)"),
        ({"SamplesPerPixel": 4}, "damaged header (4 samples a pixel)"),
        ({"DataFrameAssignmentSequence": [item()]}, "unsupported colours (enhanced palette)"),
        ({"NumberOfFrames": 2}, "truncated or damaged (pixel data)"),
        ({"PixelData": bytes(62)}, "truncated or damaged (pixel data)"),
        ({"PixelData": bytes(128)}, "wrong length of the pixel data"),
        ({"Rows": 7}, "wrong length of the pixel data"),
        ({"NumberOfFrames": 2147483647}, "truncated or damaged (pixel data)"),
    ],
)
def test_what_is_no_image_or_none_that_is_whole(tmp_path: Path, elements: dict[str, Any], expected: str) -> None:
    assert reason(tmp_path / "f", encoded(dataset(GRAY, **elements))) == expected


def test_private_classes_are_images_if_they_have_pixels(tmp_path: Path) -> None:
    assert (loaded(tmp_path / "f", GRAY, SOPClassUID=UID("1.2.3.4.5")).array[..., 0] == GRAY).all()


def test_an_odd_length_is_made_even(tmp_path: Path) -> None:
    odd = np.ascontiguousarray(GRAY[:5, :5])
    for raw in (odd.tobytes(), odd.tobytes() + b"\0"):
        assert (loaded(tmp_path / "f", odd, PixelData=raw).array[..., 0] == odd).all()
    assert reason(tmp_path / "f", encoded(dataset(odd, PixelData=odd.tobytes() + bytes(3)))).startswith("wrong length")


def test_no_pixels(tmp_path: Path) -> None:
    bare = without(dataset(GRAY), "PixelData")
    assert reason(tmp_path / "f", encoded(bare)) == "no pixel data"
    bare.IconImageSequence = [item(Rows=8, Columns=8, PixelRepresentation=0, PixelData=GRAY.tobytes(), BitsAllocated=8)]
    assert reason(tmp_path / "f", encoded(bare)) == "no pixel data (an icon only)"
    bare.FloatPixelData = np.ones(64, "<f4").tobytes()
    assert reason(tmp_path / "f", encoded(bare)) == "pixels that are not whole numbers"
    del bare.FloatPixelData
    bare.DoubleFloatPixelData = np.ones(64, "<f8").tobytes()
    assert reason(tmp_path / "f", encoded(bare)) == "pixels that are not whole numbers"


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (DeflatedExplicitVRLittleEndian, "unsupported transfer syntax (Deflated Explicit VR Little Endian)"),
        (HTJ2KLossless, f"unsupported transfer syntax ({HTJ2KLossless.name})"),
        (MPEG2MPML, f"unsupported transfer syntax ({MPEG2MPML.name})"),
        (UID("1.2.840.113619.5.2"), "unsupported transfer syntax"),
    ],
)
def test_encodings_that_are_not_read(tmp_path: Path, syntax: UID, expected: str) -> None:
    raw = encoded(dataset(GRAY, ImplicitVRLittleEndian))
    known = ImplicitVRLittleEndian.encode()
    assert raw.count(known) == 1
    at = raw.index(known) - 2
    # The element, with the other value; and the length of all meta elements before it.
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    old = int.from_bytes(raw[at : at + 2], "little")
    raw = raw[:at] + pack("<H", len(value)) + value + raw[at + 2 + old :]
    assert reason(tmp_path / "f", raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "not a DICOM file"),
        (bytes(128) + b"DICM", "damaged header (no transfer syntax)"),
        (bytes(128) + b"DICM" + bytes(40), "damaged header (no transfer syntax)"),
        (bytes(128) + b"DIC", "not a DICOM file"),
    ],
)
def test_files_that_are_no_dicom(tmp_path: Path, raw: bytes, expected: str) -> None:
    assert reason(tmp_path / "f", raw) == expected


@pytest.mark.parametrize("start", [b"MZ\x90\0", b"\x7fELF\x02", b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n"])
def test_programs_in_the_preamble(tmp_path: Path, start: bytes) -> None:
    made = dataset(GRAY)
    made.preamble = start.ljust(128, b"\0")
    assert reason(tmp_path / "f", encoded(made)) == "executable code in the preamble"


@pytest.mark.parametrize("start", [b"II*\0\x10\0\0\0", b"MM\0*\0\0\0\x10", b"Acme Scanner 3"])
def test_other_preambles_are_legal_and_go_no_further(tmp_path: Path, start: bytes) -> None:
    made = dataset(GRAY)
    made.preamble = start.ljust(128, b"\0")
    (tmp_path / "f").write_bytes(encoded(made))
    assert (DicomFrame(tmp_path / "f").load(PLENTY).array[..., 0] == GRAY).all()


def test_too_many_pixels_are_never_decoded(tmp_path: Path) -> None:
    write(tmp_path / "f", RAMP, window=None, BitsStored=12)
    expected = r"^more pixels than dataset.max_pixels = 4095 \(64 x 64\)$"
    with pytest.raises(BadImageError, match=expected):
        DicomFrame(tmp_path / "f").load(4095)
    assert DicomFrame(tmp_path / "f").load(4096).array.shape == (64, 64, 1)


def test_a_frame_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "f", GRAY)
    with pytest.raises(BadImageError, match="fewer frames than it says"):
        DicomFrame(tmp_path / "f", 1).load(PLENTY)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for frame, expected in (
        (DicomFrame(tmp_path / "none"), "^file missing$"),
        (DicomFrame(tmp_path), "^file cannot be"),
    ):
        with pytest.raises(BadImageError, match=expected):
            frame.load(PLENTY)
        with pytest.raises(BadImageError, match=expected):
            frame.digest()


@pytest.mark.parametrize("length", [*range(0, 400, 7), *range(400, 800, 37)])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    raw = encoded(dataset(RAMP, BitsStored=12))
    assert len(raw) > 8192
    cut = reason(tmp_path / "f", raw[:length])
    assert cut.split(" (")[0] in {
        "empty file",
        "not a DICOM file",
        "damaged header",
        "no pixel data",
        "truncated or damaged",
        "no size",
        "unsupported transfer syntax",  # half of its name
    }
