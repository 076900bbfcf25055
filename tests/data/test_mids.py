import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.sources import encoded, noise

from medgraft.data.content import BadImageError
from medgraft.data.mids import MidsImage

VALUES = np.array([[0, 1000, 2000, 3000, 4095]], np.uint16)
Elements = dict[str, Any]
HEADER: Elements = {
    "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
    "00280101": {"vr": "US", "Value": [12]},
}
INVERTED = {"00280004": {"vr": "CS", "Value": ["MONOCHROME1"]}}
LUT: Elements = {
    "00283002": {"vr": "US", "Value": [4096, 0, 16]},
    "00283006": {"vr": "US", "Value": [65535 - 16 * v for v in range(4096)]},
}


def _image(folder: Path, elements: Elements | None = None, values: Any = VALUES) -> MidsImage:
    """A PNG of those values, and a header with 12 bits, MONOCHROME2 and those elements."""
    (folder / "a.png").write_bytes(encoded(values))
    (folder / "a.json").write_text(json.dumps(HEADER | (elements or {})))
    return MidsImage(folder / "a.png")


def _window(centre: float, width: float) -> Elements:
    return {"00281050": {"vr": "DS", "Value": [centre]}, "00281051": {"vr": "DS", "Value": [width]}}


def test_the_window_of_the_header(tmp_path: Path) -> None:
    loaded = _image(tmp_path, _window(2000, 1001)).load(100)
    assert loaded.array[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert loaded.changes == ("PNG I;16 stored as 8-bit PNG", "window of the file")


def test_what_monochrome1_means(tmp_path: Path) -> None:
    plain = _image(tmp_path).load(100)
    assert plain.array[0, :, 0].tolist() == [0, 62, 125, 187, 255]
    inverted = _image(tmp_path, INVERTED).load(100)
    assert (inverted.array == 255 - plain.array).all()
    assert "inverted (MONOCHROME1)" in inverted.changes


def test_a_lookup_table_goes_before_a_window(tmp_path: Path) -> None:
    table = {"00283010": {"vr": "SQ", "Value": [LUT]}}
    loaded = _image(tmp_path, table | _window(2000, 1001)).load(100)
    assert loaded.array[0, :, 0].tolist() == [255, 193, 130, 68, 0]


def test_values_are_not_rescaled_again(tmp_path: Path) -> None:
    rescale = {"00281053": {"vr": "DS", "Value": [2]}, "00281052": {"vr": "DS", "Value": [-1024]}}
    assert (_image(tmp_path, rescale).load(100).array == _image(tmp_path).load(100).array).all()


def test_eight_bits_stay_as_they_are(tmp_path: Path) -> None:
    image = _image(tmp_path, {"00280101": {"vr": "US", "Value": [8]}}, noise(1))
    loaded = image.load(100)
    assert (loaded.changes, (loaded.array[:, :, 0] == noise(1)).all()) == ((), True)
    assert _image(tmp_path, values=noise(1, channels=3)).load(100).array.shape == (8, 8, 3)


def test_the_png_itself_is_never_kept(tmp_path: Path) -> None:
    assert _image(tmp_path, INVERTED | {"00280101": {"vr": "US", "Value": [8]}}, noise(1)).kept() is None


def test_both_files_decide_the_image(tmp_path: Path) -> None:
    before = _image(tmp_path).digest()
    assert _image(tmp_path).digest() == before
    assert _image(tmp_path, INVERTED).digest() != before


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "no JSON file beside the image"),
        ("{", "damaged JSON file beside the image"),
        ("[1, 2]", "damaged JSON file beside the image"),
        ('{"00280004": 1}', "damaged JSON file beside the image"),
        ("{}", "the JSON file beside the image does not say what is white"),
        (
            '{"00280004": {"vr": "CS", "Value": ["RGB"]}, "00280101": {"vr": "US", "Value": [8]}}',
            "does not say what is white",
        ),
        ('{"00280004": {"vr": "CS", "Value": ["MONOCHROME2"]}}', "does not say what is white"),
        ("[" * 100_000, "damaged JSON file beside the image"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, header: str | None, reason: str) -> None:
    image = _image(tmp_path)
    if header is None:
        (tmp_path / "a.json").unlink()
    else:
        (tmp_path / "a.json").write_text(header)
    with pytest.raises(BadImageError, match=reason):
        image.load(100)


def test_eight_bits_of_what_had_more(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="fewer bits than the JSON file beside the image says"):
        _image(tmp_path, values=noise(1)).load(100)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TAGS = ["00280004", "00280101", "00280103", "00281050", "00281051", "00283010", "00283002", "00283006", "vr", "Value"]
VALUES_OF_TAGS = st.sampled_from(["CS", "US", "DS", "SQ", "MONOCHROME2", "MONOCHROME1", 12, 8, 16, -1, 1e300])
TREES = st.recursive(
    LEAVES | VALUES_OF_TAGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TAGS), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(header=st.dictionaries(st.sampled_from(TAGS), TREES, max_size=7))
def test_any_header_shows_the_image_or_says_why_not(tmp_path: Path, header: dict[str, Any]) -> None:
    try:
        loaded = _image(tmp_path, header).load(100)
    except BadImageError:
        return
    assert (loaded.array.dtype.name, loaded.array.shape) == ("uint8", (1, 5, 1))
