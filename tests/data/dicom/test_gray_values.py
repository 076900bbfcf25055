"""What a stored value is before it becomes gray: padding, bits, slopes, frames, tables; nonsense is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.dicoms import HOUNSFIELD, PLENTY, RAMP, dataset, encoded, item, loaded, lut

from medgraft.data.content import BadImageError
from medgraft.data.dicom.frame import DicomFrame

CT = {"Modality": "CT", "BitsStored": 12, **HOUNSFIELD}
GRAYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("kind", "stated"), [("SS", -2000), ("US", 65536 - 2000)])
def test_padding_is_black(tmp_path: Path, photometric: str, kind: str, stated: int) -> None:
    pixels = np.full((8, 8), 1500, np.int16)
    pixels[0] = -2000
    made = dataset(pixels, WindowCenter="1000", WindowWidth="2000", PhotometricInterpretation=photometric)
    made.add_new("PixelPaddingValue", kind, stated)
    (tmp_path / "f").write_bytes(encoded(made))
    found = DicomFrame(tmp_path / "f").load(PLENTY)
    image = 191 if photometric == "MONOCHROME2" else 255 - 191
    assert found.array[:, 0, 0].tolist() == [0] + 7 * [image]
    assert found.changes[-1] == "padding shown black"
    made["PixelPaddingValue"].value = 7
    (tmp_path / "f").write_bytes(encoded(made))
    assert DicomFrame(tmp_path / "f").load(PLENTY).changes[-1] != "padding shown black"


def test_padding_may_be_a_range(tmp_path: Path) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    found = loaded(tmp_path / "f", pixels, PixelPaddingValue=40, PixelPaddingRangeLimit=80)
    inside = (pixels >= 40) & (pixels <= 80)
    assert (found.array[..., 0] == np.where(inside, 0, pixels)).all()


def test_bits_that_are_not_stored_do_not_count(tmp_path: Path) -> None:
    overlaid = RAMP | 0xF000
    assert (
        loaded(tmp_path / "f", overlaid, BitsStored=12).array == loaded(tmp_path / "g", RAMP, BitsStored=12).array
    ).all()
    negative = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64) & 0x0FFF  # the sign is bit 11
    found = loaded(tmp_path / "f", negative, BitsStored=12)
    assert (np.diff(found.array.ravel().astype(int)) >= 0).all()


def test_rescaling_may_turn_values_round(tmp_path: Path) -> None:
    found = loaded(tmp_path / "f", GRAYS, RescaleSlope="-1", RescaleIntercept="0")
    assert (found.array[..., 0] == 255 - GRAYS).all()


def test_frames_of_an_enhanced_object_have_values_and_windows_of_their_own(tmp_path: Path) -> None:
    shared = item(
        FrameVOILUTSequence=[item(WindowCenter="500", WindowWidth="1000")],
        PixelValueTransformationSequence=[item(RescaleSlope="1", RescaleIntercept="0", RescaleType="US")],
    )
    own = item(
        FrameVOILUTSequence=[item(WindowCenter="100", WindowWidth="50")],
        PixelValueTransformationSequence=[item(RescaleSlope="2", RescaleIntercept="-9", RescaleType="US")],
    )
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": [item(), own]}
    pixels = np.stack([RAMP, RAMP])
    frames = [loaded(tmp_path / "f", pixels, frame=n, BitsStored=12, NumberOfFrames=2, **groups) for n in (0, 1)]
    first = loaded(tmp_path / "g", RAMP, BitsStored=12, WindowCenter="500", WindowWidth="1000")
    second = {"WindowCenter": "100", "WindowWidth": "50", "RescaleSlope": "2", "RescaleIntercept": "-9"}
    assert (frames[0].array == first.array).all()
    assert (frames[1].array == loaded(tmp_path / "g", RAMP, BitsStored=12, **second).array).all()
    with pytest.raises(BadImageError, match="groups for another number of frames"):
        loaded(tmp_path / "f", pixels, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=[own])


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"WindowCenter": "5", "WindowWidth": "0"}, "a window that makes no sense"),
        ({"WindowCenter": "5", "WindowWidth": "-3"}, "a window that makes no sense"),
        ({"WindowCenter": "5", "WindowWidth": "0", "VOILUTFunction": "SIGMOID"}, "a window that makes no sense"),
        ({"WindowCenter": "5", "WindowWidth": "0", "VOILUTFunction": "LINEAR_EXACT"}, "a window that makes no sense"),
        ({"WindowCenter": "5", "WindowWidth": "9", "VOILUTFunction": "CUBIC"}, "a window that makes no sense"),
        ({"RescaleSlope": "0", "RescaleIntercept": "3"}, "a rescaling that makes no sense"),
        ({"VOILUTSequence": [lut([1, 2, 300], 0, 8)]}, "a lookup table that makes no sense"),
        ({"VOILUTSequence": [lut([1, 2, 3], 0, 7)]}, "a lookup table that makes no sense"),
        ({"VOILUTSequence": [item(LUTDescriptor=[4, 0, 8])]}, "a lookup table that makes no sense"),
        ({"ModalityLUTSequence": [item(ModalityLUTType="US")]}, "a lookup table that makes no sense"),
        ({"PixelPresentation": "MIXED"}, "gray and colour in one image (supplemental palette)"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, elements: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadImageError) as caught:
        loaded(tmp_path / "f", GRAYS, **elements)
    assert str(caught.value) == reason


def test_a_table_of_another_length_than_it_says_is_refused(tmp_path: Path) -> None:
    table = lut([1, 2, 3, 4], 0, 8)
    table.LUTDescriptor = [5, 0, 8]
    with pytest.raises(BadImageError, match=r"^a lookup table that makes no sense$"):
        loaded(tmp_path / "f", GRAYS, VOILUTSequence=[table])


def test_tables_of_eight_bits_may_be_packed(tmp_path: Path) -> None:
    table = lut(list(range(255, -1, -1)), 0, 8)
    table["LUTData"].value = bytes(range(255, -1, -1))
    assert (loaded(tmp_path / "f", GRAYS, VOILUTSequence=[table]).array[..., 0] == 255 - GRAYS).all()


def test_values_of_32_bits(tmp_path: Path) -> None:
    pixels = (RAMP.astype(np.uint32) << 16) + 5
    found = loaded(
        tmp_path / "f", pixels, BitsStored=28, RescaleSlope=str(2.0**-16), RescaleIntercept="0", window=(2048, 4096)
    )
    assert np.abs(found.array.ravel() - np.arange(4096) * (255 / 4095)).max() <= 0.51
