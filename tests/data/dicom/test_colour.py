from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import ExplicitVRBigEndian
from tests.data.dicoms import PLENTY, dataset, encoded, loaded

from medgraft.data.content import BadImageError
from medgraft.data.dicom.frame import DicomFrame

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
INDICES = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOURS = ("Red", "Green", "Blue")


def palette(
    tables: NDArray[Any], first: int = 0, bits: int = 16, segmented: bool = False, order: str = "<"
) -> dict[str, Any]:
    """Elements of a palette; `tables` [3, entries]: the entries, or their segments."""
    entries = 48 if segmented else tables.shape[1]
    kind = f"{order}u2" if bits == 16 else "u1"
    name = "SegmentedXPaletteColorLookupTableData" if segmented else "XPaletteColorLookupTableData"
    found: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, table in zip(COLOURS, tables, strict=True):
        found[f"{colour}PaletteColorLookupTableDescriptor"] = [entries, first, bits]
        found[name.replace("X", colour)] = table.astype(kind).tobytes()
    return found


FLAT = palette(np.zeros((3, 48), int))


def _load(folder: Path, pixels: NDArray[Any], **elements: Any) -> NDArray[Any]:
    return loaded(folder / "f", pixels, **elements).array


def test_rgb_is_kept_in_either_order_of_its_planes(tmp_path: Path) -> None:
    found = loaded(tmp_path / "f", RGB)
    assert (found.array == RGB).all()
    assert (found.mode, found.changes) == ("DICOM RGB 8 bit", ())
    planes = np.ascontiguousarray(np.moveaxis(RGB, -1, 0))
    same = _load(tmp_path, RGB, PlanarConfiguration=1, PixelData=planes.tobytes())
    assert (same == RGB).all()


def test_equal_channels_are_gray(tmp_path: Path) -> None:
    gray = np.repeat(INDICES[:, :, None], 3, axis=2)
    assert (_load(tmp_path, gray) == INDICES[:, :, None]).all()


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    ybr = convert_color_space(RGB, "RGB", "YBR_FULL")
    found = loaded(tmp_path / "f", ybr, PhotometricInterpretation="YBR_FULL")
    assert np.abs(found.array.astype(int) - RGB).max() <= 2  # rounding there and back
    assert found.changes == ("YBR to RGB",)


def test_two_pixels_may_share_their_colours(tmp_path: Path) -> None:
    pairs = np.repeat(RGB[:, ::2], 2, axis=1)
    ybr = convert_color_space(pairs, "RGB", "YBR_FULL")
    shared = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    elements = {"PhotometricInterpretation": "YBR_FULL_422", "PixelData": shared.tobytes()}
    assert np.abs(_load(tmp_path, pairs, **elements).astype(int) - pairs).max() <= 2
    with pytest.raises(BadImageError, match=r"^wrong length of the pixel data$"):  # called shared, and not
        _load(tmp_path, pairs, **(elements | {"PixelData": ybr.tobytes()}))


def test_colours_of_16_bits_are_scaled_to_8(tmp_path: Path) -> None:
    found = loaded(tmp_path / "f", RGB.astype(np.uint16) * 257)
    assert (found.array == RGB).all()
    assert found.changes == ("16 bits a channel scaled to 8",)


@pytest.mark.parametrize("white", [0xFFFF, 0xFF00])
def test_palettes(tmp_path: Path, white: int) -> None:
    ramp = (np.arange(48) * white // 47).astype(int)
    tables = np.stack([ramp, ramp[::-1], np.full(48, white)])
    found = loaded(tmp_path / "f", INDICES, **palette(tables))
    assert (found.array == np.moveaxis(tables >> 8, 0, -1)[INDICES]).all()
    assert found.array.max() == 255
    assert (found.mode, found.changes) == ("DICOM PALETTE COLOR 8 bit", ("colours of the palette",))


def test_palettes_of_8_bits_with_more_entries_than_8_bits_count(tmp_path: Path) -> None:
    tables = np.stack([np.arange(300) % 256, np.arange(300) // 2, np.zeros(300, int)])
    indices = np.arange(300, dtype=np.uint16).reshape(15, 20)
    found = _load(tmp_path, indices, **palette(tables, bits=8))
    assert (found == np.moveaxis(tables, 0, -1)[indices]).all()


def test_palettes_begin_where_they_say(tmp_path: Path) -> None:
    tables = np.stack([np.arange(8) * 0x1000, np.arange(8) * 0x0800, np.arange(8) * 0x0400])
    found = _load(tmp_path, INDICES, **palette(tables, first=20))
    assert (found == np.moveaxis(tables >> 8, 0, -1)[np.clip(INDICES.astype(int) - 20, 0, 7)]).all()


def test_palettes_are_read_in_the_order_of_bytes_of_their_file(tmp_path: Path) -> None:
    tables = np.stack([np.arange(48) * 0x0500, np.arange(48) * 0x0300, np.arange(48) * 0x0100])
    made = dataset(INDICES, ExplicitVRBigEndian, **palette(tables, order=">"))
    (tmp_path / "f").write_bytes(encoded(made))
    found = DicomFrame(tmp_path / "f").load(PLENTY).array
    assert (found == np.moveaxis(tables >> 8, 0, -1)[INDICES]).all()


def test_palettes_in_segments(tmp_path: Path) -> None:
    # Two entries as they are, then 46 that lead from the second to the last: C.7.9.2.
    segments = np.array([0, 2, 0x1000, 0x2000, 1, 46, 0x2000 + 46 * 0x0200])
    table = np.array([0x1000, *range(0x2000, 0x2000 + 47 * 0x0200, 0x0200)])
    found = _load(tmp_path, INDICES, **palette(np.stack([segments] * 3), segmented=True))
    assert (found[..., 0] == (table >> 8)[INDICES]).all()


@pytest.mark.parametrize(
    ("pixels", "elements", "reason"),
    [
        (RGB, {"PhotometricInterpretation": "YBR_PARTIAL_422"}, "unsupported colours (YBR_PARTIAL_422)"),
        (RGB, {"PhotometricInterpretation": "DOE^JOHN"}, "unsupported colours"),
        (RGB, {"PhotometricInterpretation": "MONOCHROME2"}, "damaged header (3 samples a pixel)"),
        (RGB, {"PlanarConfiguration": 7}, "damaged header (planar configuration)"),
        (RGB.astype(np.int8), {}, "colours below zero"),
        (INDICES, {"PhotometricInterpretation": "PALETTE COLOR"}, "a lookup table that makes no sense"),
        (INDICES, FLAT | {"RedPaletteColorLookupTableData": bytes(94)}, "a lookup table that makes no sense"),
        (INDICES, palette(np.array([[7, 1, 2]] * 3), segmented=True), "a lookup table that makes no sense"),
        (INDICES, palette(np.array([[0, 3, 1, 2, 3]] * 3), segmented=True), "a lookup table that makes no sense"),
        (
            INDICES,
            palette(np.array([[0, 1, 1, 1, 60000, 2]] * 3), segmented=True),
            "a lookup table that makes no sense",
        ),
    ],
)
def test_colours_that_make_no_sense(
    tmp_path: Path, pixels: NDArray[Any], elements: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadImageError) as caught:
        _load(tmp_path, pixels, **elements)
    assert str(caught.value) == reason


def test_a_window_of_ct_is_for_gray(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match=r"^no Hounsfield units for the window of the settings$"):
        loaded(tmp_path / "f", RGB, window="lung")
