from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from tests.data.dicoms import HOUNSFIELD, RAMP, dataset, loaded, lut

from medgraft.data.content import BadImageError
from medgraft.data.dicom.windows import WINDOWS

CT = {"Modality": "CT", "BitsStored": 12, **HOUNSFIELD}
GRAYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _by_pydicom(pixels: NDArray[Any], low: float, high: float, **elements: Any) -> NDArray[np.float64]:
    """What pydicom makes of the same file, 0 … 255: its output range is that of the stored bits, rescaled."""
    made = dataset(pixels, **elements)
    with np.errstate(over="ignore"):  # far outside a sigmoid
        values = apply_voi_lut(apply_modality_lut(made.pixel_array, made), made).astype(np.float64)
    result: NDArray[np.float64] = (values - low) * (255 / (high - low))
    return result


@pytest.mark.parametrize("name", list(WINDOWS))
def test_windows_of_ct_spread_their_part_of_the_hounsfield_scale(tmp_path: Path, name: str) -> None:
    found = loaded(tmp_path / "f", RAMP, window=name, **CT, WindowCenter="0", WindowWidth="10")
    centre, width = WINDOWS[name]  # type: ignore[index]  # parametrized by its own keys
    hounsfield = np.arange(-1024, 3072)
    exact = ((hounsfield - (centre - 0.5)) / (width - 1) + 0.5) * 255  # PS3.3 C.11.2.1.2.1
    assert np.abs(found.array.ravel() - np.clip(exact, 0, 255)).max() <= 0.5
    assert found.changes == ("rescaled to Hounsfield units", f"window {name}")
    assert found.mode == "DICOM MONOCHROME2 12 bit"
    assert found.array.dtype == np.uint8
    assert found.array.shape == (64, 64, 1)


def test_the_brain_window_in_numbers(tmp_path: Path) -> None:
    gray = loaded(tmp_path / "f", RAMP, window="brain", **CT).array.ravel()
    assert [int(gray[hounsfield + 1024]) for hounsfield in (-1000, 0, 20, 40, 60, 79, 300)] == [
        0,
        0,
        65,
        129,
        194,
        255,
        255,
    ]


@pytest.mark.parametrize(
    "elements",
    [
        {"Modality": "MR", "BitsStored": 12, "RescaleSlope": "1", "RescaleIntercept": "-1024"},
        CT | {"RescaleType": None, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Modality": "CT", "BitsStored": 12},
        CT | {"RescaleType": "US"},
    ],
)
def test_a_window_of_ct_needs_hounsfield_units(tmp_path: Path, elements: dict[str, Any]) -> None:
    with pytest.raises(BadImageError, match=r"^no Hounsfield units for the window of the settings$"):
        loaded(tmp_path / "f", RAMP, window="lung", **elements)
    assert loaded(tmp_path / "f", RAMP, window=(2000, 4000), **elements).changes[-1] == "window 2000/4000"


@settings(max_examples=40)
@given(
    centre=st.floats(-2000, 4000).map(lambda x: round(x, 3)),
    width=st.floats(1, 6000).map(lambda x: round(x, 3)),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    slope=st.sampled_from(["1", "0.684", "2.5"]),
)
def test_the_files_own_window_is_applied_as_by_pydicom(
    tmp_path_factory: pytest.TempPathFactory, centre: float, width: float, function: str, slope: str
) -> None:
    window = {"WindowCenter": str(centre), "WindowWidth": str(width), "VOILUTFunction": function}
    elements = {"BitsStored": 12, "RescaleSlope": slope, "RescaleIntercept": "-100", **window}
    theirs = _by_pydicom(RAMP, -100, 4095 * float(slope) - 100, **elements)
    try:
        found = loaded(tmp_path_factory.mktemp("f") / "f", RAMP, **elements)
    except BadImageError as reason:
        assert str(reason).startswith("next to no contrast by the window")  # noqa: PT017  (both outcomes are right)
        assert theirs.max() - theirs.min() < 16
        return
    assert np.abs(found.array[..., 0] - theirs).max() <= 0.5 + 1e-6
    assert found.changes == ("rescaled", "window of the file")


def test_of_several_windows_the_first(tmp_path: Path) -> None:
    several = loaded(tmp_path / "f", RAMP, BitsStored=12, WindowCenter=["600", "40"], WindowWidth=["800", "400"])
    one = loaded(tmp_path / "f", RAMP, BitsStored=12, WindowCenter="600", WindowWidth="800")
    assert (several.array == one.array).all()
    assert several.changes == ("window of the file",)


def test_a_window_one_wide_is_a_threshold(tmp_path: Path) -> None:
    gray = loaded(tmp_path / "f", RAMP, BitsStored=12, WindowCenter="700", WindowWidth="1").array.ravel()
    assert set(gray[:700].tolist()) == {0}
    assert set(gray[700:].tolist()) == {255}


def test_a_table_of_values_of_interest_goes_before_a_window(tmp_path: Path) -> None:
    table = lut([(1023 - n) for n in range(1024)], first=100, bits=10)
    elements = {"BitsStored": 12, "WindowCenter": "600", "WindowWidth": "800", "VOILUTSequence": [table]}
    found = loaded(tmp_path / "f", RAMP, **elements)
    assert np.abs(found.array[..., 0] - _by_pydicom(RAMP, 0, 1023, **elements)).max() <= 0.5
    assert (found.array.ravel()[100], found.array.ravel()[1123], found.array.ravel()[4000]) == (255, 0, 0)
    assert found.changes == ("lookup table of the file",)


def test_a_table_may_begin_below_zero(tmp_path: Path) -> None:
    pixels = np.arange(-512, 512, dtype=np.int16).reshape(32, 32)
    table = lut(list(range(1024)), first=-512, bits=10, signed=True)
    assert (np.diff(loaded(tmp_path / "f", pixels, VOILUTSequence=[table]).array.ravel().astype(int)) >= 0).all()
    unsigned = lut(list(range(1024)), first=65536 - 512, bits=10)  # as some write it
    same = loaded(tmp_path / "g", pixels, VOILUTSequence=[unsigned])
    assert (same.array == loaded(tmp_path / "f", pixels, VOILUTSequence=[table]).array).all()


def test_a_table_of_the_modality_goes_before_everything(tmp_path: Path) -> None:
    table = lut([(n * n) // 256 for n in range(256)], first=0, bits=8)
    found = loaded(tmp_path / "f", GRAYS, ModalityLUTSequence=[table])
    assert found.array.ravel().tolist() == [(n * n) // 256 for n in range(256)]
    assert found.changes == ("modality table of the file", "full range of 8 bits")


def test_without_a_window_black_and_white_are_what_the_bits_can_hold(tmp_path: Path) -> None:
    found = loaded(tmp_path / "f", RAMP, BitsStored=12)
    assert np.abs(found.array.ravel() - np.arange(4096) * (255 / 4095)).max() <= 0.5
    assert found.changes == ("full range of 12 bits",)
    signed = loaded(tmp_path / "f", np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64), BitsStored=12)
    assert (signed.array == found.array).all()
    assert loaded(tmp_path / "f", GRAYS).changes == ()
    assert (loaded(tmp_path / "f", GRAYS).array[..., 0] == GRAYS).all()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_value_has_one_gray_whatever_else_an_image_holds(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    random = np.random.default_rng(seed)
    low, high = sorted(random.integers(0, 4096, 2))
    pixels = random.integers(low, high + 1, (8, 8)).astype(np.uint16)
    folder = tmp_path_factory.mktemp("f")
    try:
        gray = loaded(folder / "f", pixels, BitsStored=12).array[..., 0]
    except BadImageError as reason:
        assert str(reason).startswith("no window, and next to no contrast")  # noqa: PT017  (both outcomes are right)
        return
    assert (gray == loaded(folder / "g", RAMP, BitsStored=12).array.ravel()[pixels]).all()


def test_no_window_and_bits_that_hold_next_to_nothing(tmp_path: Path) -> None:
    pixels = np.arange(-1000, 2096, dtype=np.int16).reshape(-1, 8)
    with pytest.raises(BadImageError, match=r"^no window, and next to no contrast without one \(13 of 256 grays\)$"):
        loaded(tmp_path / "f", pixels)
    assert loaded(tmp_path / "f", pixels, window=(0, 2000)).array.max() == 255
    assert loaded(tmp_path / "f", np.full((8, 8), 7, np.int16)).array.max() == 128  # an empty slice is just that


def test_a_window_of_the_file_that_misses_its_values(tmp_path: Path) -> None:
    black = {"BitsStored": 12, "WindowCenter": "60000", "WindowWidth": "100"}
    with pytest.raises(
        BadImageError, match=r"^next to no contrast by the window or table of the file \(1 of 256 grays\)$"
    ):
        loaded(tmp_path / "f", RAMP, **black)
    assert loaded(tmp_path / "f", RAMP, window=(2000, 4000), **black).array.max() == 255
    table = lut([*range(15), 255], first=5000, bits=8)
    with pytest.raises(
        BadImageError, match=r"^next to no contrast by the window or table of the file \(1 of 256 grays\)$"
    ):
        loaded(tmp_path / "f", RAMP, BitsStored=12, VOILUTSequence=[table])


@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_that_says_more_bits_than_it_has(tmp_path: Path, keyword: str) -> None:
    found = loaded(tmp_path / "f", RAMP, BitsStored=12, **{keyword: [lut(list(range(4096)), first=0, bits=16)]})
    as_told = loaded(tmp_path / "f", RAMP, BitsStored=12, **{keyword: [lut(list(range(4096)), first=0, bits=12)]})
    assert (found.array == as_told.array).all()
    assert (found.array.min(), found.array.max()) == (0, 255)


def test_hounsfield_units_need_a_window(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match=r"^no window for Hounsfield units$"):
        loaded(tmp_path / "f", RAMP, **CT)
    assert loaded(tmp_path / "f", RAMP, **CT, WindowCenter="40", WindowWidth="400").changes[-1] == "window of the file"


def test_monochrome1_is_shown_as_its_negative(tmp_path: Path) -> None:
    window = {"BitsStored": 12, "WindowCenter": "2000", "WindowWidth": "3000"}
    plain = loaded(tmp_path / "f", RAMP, **window)
    inverted = loaded(tmp_path / "f", RAMP, **window, PhotometricInterpretation="MONOCHROME1")
    assert (inverted.array == 255 - plain.array).all()
    assert inverted.changes == ("window of the file", "inverted (MONOCHROME1)")
    assert inverted.mode == "DICOM MONOCHROME1 12 bit"


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")])
def test_what_is_white_must_not_be_said_twice(tmp_path: Path, photometric: str, shape: str) -> None:
    with pytest.raises(BadImageError, match=r"^contradicts itself on what is white"):
        loaded(tmp_path / "f", GRAYS, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    other = {"IDENTITY": "INVERSE", "INVERSE": "IDENTITY"}[shape]
    loaded(tmp_path / "f", GRAYS, PhotometricInterpretation=photometric, PresentationLUTShape=other)
