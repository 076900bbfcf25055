"""Every file of the pydicom-data package, and of pydicom's own: an image or a reason, as the table says."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from tests.data.dicom.public_files import CAPTURES, FOLDERS, files, row, table

from medgraft.data.dicom.frame import DicomFrame
from medgraft.data.readers.dicom import read

TABLE = table()
# Of these two, pydicom reads the palettes in the wrong order of bytes; test_colour.py has palettes of that order.
SWAPPED = {"OBXXXX1A_expb.dcm", "OBXXXX1A_expb_2frame.dcm"}
# These it does not decode at all: JPEG of 12 bits, and a file without its last 8 bytes, which belong to no image.
NOT_BY_PYDICOM = {"JPGExtended.dcm", "JPEG-lossy.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
LARGE = 4_000_000  # bytes: of these there are smaller ones that are alike
IMAGES = [
    FOLDERS[r["package"]] / r["file"]
    for r in TABLE
    if (r["with_captures"] or r["by_default"]).startswith("DICOM ")
    and Path(r["file"]).name not in SWAPPED | NOT_BY_PYDICOM
    and (FOLDERS[r["package"]] / r["file"]).stat().st_size < LARGE
]


def test_the_table_has_every_file() -> None:
    there = {(package, path.relative_to(FOLDERS[package]).as_posix()) for package, path in files()}
    assert {(r["package"], r["file"]) for r in TABLE} == there
    assert len(there) > 230


@pytest.mark.parametrize("expected", TABLE, ids=lambda r: r["file"])
def test_each_file_becomes_what_the_table_says(expected: dict[str, str]) -> None:
    assert row(expected["package"], FOLDERS[expected["package"]] / expected["file"]) == expected


@pytest.mark.parametrize("path", IMAGES, ids=lambda p: p.name)
def test_each_image_is_the_one_that_pydicom_shows(path: Path) -> None:
    made = pydicom.dcmread(path)
    stored = made.pixel_array
    first = stored[0] if int(made.get("NumberOfFrames") or 1) > 1 else stored
    found = DicomFrame(path).load(10_000_000).array
    assert np.abs(found - _shown(first, made)).max() <= 0.501  # rounding


@pytest.mark.parametrize("name", ["CT_small.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"])
@pytest.mark.parametrize(("window", "centre", "width"), [("brain", 40, 80), ("lung", -600, 1500), ("bone", 400, 1800)])
def test_windows_of_ct_are_what_pydicom_makes_of_them(name: str, window: Any, centre: int, width: int) -> None:
    path = FOLDERS["pydicom"] / name
    made = pydicom.dcmread(path)
    made.WindowCenter, made.WindowWidth = centre, width
    found = DicomFrame(path, window=window).load(10_000_000)
    assert f"window {window}" in found.changes
    assert np.abs(found.array - _shown(made.pixel_array, made)).max() <= 0.501


def _shown(stored: NDArray[Any], made: Dataset) -> NDArray[np.float64]:
    """By pydicom: [H, W, 1 or 3], 0 … 255."""
    if made.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, made)
        return np.asarray(colours >> 8 if colours.dtype == np.uint16 else colours, np.float64)[..., :3]
    if made.SamplesPerPixel == 3:
        return np.asarray(stored * (255 / (2**made.BitsStored - 1)), np.float64)
    values = apply_voi_lut(apply_modality_lut(stored, made), made).astype(np.float64)
    low, high = _range(made)
    gray = np.clip((values - low) * (255 / (high - low)), 0, 255)
    if made.PhotometricInterpretation == "MONOCHROME1":
        gray = 255 - gray
    gray[stored == made.get("PixelPaddingValue", np.nan)] = 0
    return gray[..., None]


def _range(made: Dataset) -> tuple[float, float]:
    """What pydicom's windows lead to: the values that tables can have, or the stored bits, rescaled."""
    for keyword in ("VOILUTSequence", "ModalityLUTSequence"):
        if keyword in made:
            return 0, 2 ** made[keyword].value[0].LUTDescriptor[2] - 1
    half = 2 ** (made.BitsStored - 1)
    ends = np.array([-half, half - 1] if made.PixelRepresentation else [0, 2 * half - 1])
    low, high = ends * float(made.get("RescaleSlope", 1)) + float(made.get("RescaleIntercept", 0))
    return low, high


def test_files_that_pydicom_cannot_decode_are_what_they_were_before_that() -> None:
    folder = FOLDERS["pydicom_data"]
    for frame in range(10):
        short, whole = (
            DicomFrame(folder / f"emri_small_jpeg_2k_lossless{name}.dcm", frame).load(10_000)
            for name in ("_too_short", "")
        )
        assert (short.array == whole.array).all()


def test_palettes_of_either_order_of_bytes_are_one() -> None:
    for name, other, frames in (("OBXXXX1A", "OBXXXX1A_expb", 1), ("OBXXXX1A_2frame", "OBXXXX1A_expb_2frame", 2)):
        for frame in range(frames):
            arrays = [DicomFrame(FOLDERS["pydicom_data"] / f"{n}.dcm", frame).load(10**6).array for n in (name, other)]
            assert (arrays[0] == arrays[1]).all()


def test_nothing_of_a_header_is_in_a_reason() -> None:
    for expected in TABLE:
        told = expected["by_default"] + expected["with_captures"]
        path = FOLDERS[expected["package"]] / expected["file"]
        assert path.name not in told
        for record in read(path, CAPTURES):
            assert record.group is None or record.group not in told
            assert record.study is None or record.study not in told
