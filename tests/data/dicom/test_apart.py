from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, get_frame
from tests.data.dicoms import PLENTY, encoded

from medgraft.data.content import BadImageError
from medgraft.data.dicom import apart
from medgraft.data.dicom.frame import DicomFrame

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
JPEG_LS, LOSSLESS, EXTENDED = "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm"
# One changed byte of their frames, by place, ends a process that gives them to GDCM.
FATAL = [(JPEG_LS, 6), (LOSSLESS, 2)]


@pytest.fixture(autouse=True)
def _leave_no_child() -> Iterator[None]:
    yield
    apart._end_idle()


def _changed(name: str, place: int) -> bytes:
    made = pydicom.dcmread(FILES / name)
    frame = bytearray(get_frame(made.PixelData, 0, number_of_frames=1))
    frame[place] ^= 0xFF
    made.PixelData = encapsulate([bytes(frame)])
    return encoded(made)


def _load(path: Path, **options: Any) -> np.ndarray[Any, Any]:
    return DicomFrame(path, **options).load(PLENTY).array


def test_lossless_encodings_are_exact() -> None:
    assert (_load(FILES / JPEG_LS) == _load(FILES / "MR_small.dcm")).all()
    assert (_load(FILES / LOSSLESS) == _load(FILES / "SC_rgb_rle.dcm")).all()


def test_jpeg_of_12_bits_is_close_to_what_it_was_made_of() -> None:
    pytest.importorskip("data_store")
    import data_store

    original = Path(data_store.__file__).parent / "data" / "JPEG-LL.dcm"
    found, expected = (_load(path, window=(120, 250)).astype(int) for path in (FILES / EXTENDED, original))
    assert np.abs(found - expected).mean() < 3
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def test_frames_that_end_the_decoder_do_not_end_us(tmp_path: Path) -> None:
    for name, place in FATAL:
        (tmp_path / name).write_bytes(_changed(name, place))
        with pytest.raises(BadImageError, match=r"^truncated or damaged"):
            _load(tmp_path / name)
    assert (_load(FILES / JPEG_LS) == _load(FILES / "MR_small.dcm")).all()


def test_a_decoder_that_someone_ended_is_started_again() -> None:
    expected = _load(FILES / JPEG_LS)
    [child] = apart._idle
    child.kill()
    child.wait()
    assert (_load(FILES / JPEG_LS) == expected).all()
    assert [other.pid for other in apart._idle] != [child.pid]


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PATIENCE", 0.001)
    with pytest.raises(BadImageError, match=r"^truncated or damaged \(its decoder gave up\)$"):
        _load(FILES / JPEG_LS)
    assert apart._idle == []


def test_a_lossless_jpeg_cut_short_is_refused(tmp_path: Path) -> None:
    made = pydicom.dcmread(FILES / LOSSLESS)
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    made.PixelData = encapsulate([frame[: len(frame) * 3 // 4] + b"\xff\xd9"])
    (tmp_path / "f").write_bytes(encoded(made))
    with pytest.raises(BadImageError, match=r"^truncated or damaged"):
        _load(tmp_path / "f")
