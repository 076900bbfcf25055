import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import examples
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)
from tests.data.dicoms import PLENTY, RAMP, compressed, dataset, encoded, loaded, write

from medgraft.data.content import BadImageError
from medgraft.data.dicom.frame import DicomFrame

SMOOTH = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8) * 4
CINE = np.stack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]])


def _frames(path: Path, made: Any, count: int = 3) -> list[Any]:
    path.write_bytes(encoded(made))
    return [DicomFrame(path, n).load(PLENTY) for n in range(count)]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_uncompressed_frames(tmp_path: Path, syntax: Any) -> None:
    order = "<" if syntax.is_little_endian else ">"
    stored = np.stack([RAMP, RAMP[::-1]])
    made = dataset(stored, syntax, BitsStored=12, NumberOfFrames=2, PixelData=stored.astype(f"{order}u2").tobytes())
    frames = _frames(tmp_path / "f", made, 2)
    expected = loaded(tmp_path / "g", RAMP, BitsStored=12).array
    assert (frames[0].array == expected).all()
    assert (frames[1].array == expected[::-1]).all()
    assert frames[0].changes == ("full range of 12 bits",)


def test_rle_is_exact(tmp_path: Path) -> None:
    made = dataset(CINE, NumberOfFrames=3)
    made.compress(RLELossless, generate_instance_uid=False)
    frames = _frames(tmp_path / "f", made)
    assert all((found.array[..., 0] == frame).all() for found, frame in zip(frames, CINE, strict=True))
    assert frames[0].changes == ("decompressed RLE",)


@pytest.mark.parametrize("signed", [False, True])
def test_lossless_jpeg_2000_is_exact(tmp_path: Path, signed: bool) -> None:
    stored = np.stack([RAMP * 16, RAMP[::-1] * 16])
    made = compressed(stored, JPEG2000Lossless)
    frames = _frames(tmp_path / "f", made, 2)
    plain = loaded(tmp_path / "g", stored[1])
    assert (frames[1].array == plain.array).all()
    assert frames[1].changes == ("decompressed JPEG 2000", "full range of 16 bits")


def test_jpeg_2000_in_colour_is_rgb(tmp_path: Path) -> None:
    rgb = np.stack([SMOOTH, SMOOTH[::-1], np.full_like(SMOOTH, 40)], axis=-1)
    [found] = _frames(tmp_path / "f", compressed(rgb[None], JPEG2000Lossless), 1)
    assert np.abs(found.array.astype(int) - rgb).max() <= 1


def test_jpeg_in_gray_and_colour(tmp_path: Path) -> None:
    frames = _frames(tmp_path / "f", compressed(CINE, JPEGBaseline8Bit))
    assert all(np.abs(f.array[..., 0].astype(int) - c).max() <= 6 for f, c in zip(frames, CINE, strict=True))
    rgb = np.stack([SMOOTH, SMOOTH[::-1], np.full_like(SMOOTH, 40)], axis=-1)
    [found] = _frames(tmp_path / "g", compressed(rgb[None], JPEGBaseline8Bit), 1)
    assert np.abs(found.array.astype(int) - rgb).mean() < 4
    assert found.changes == ("decompressed JPEG", "YBR to RGB")


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
def test_a_frame_larger_than_the_header_says_is_not_decoded(tmp_path: Path, syntax: Any) -> None:
    made = compressed(np.zeros((1, 2048, 2048), np.uint8), syntax)
    made.Rows = made.Columns = 8
    (tmp_path / "f").write_bytes(encoded(made))
    tracemalloc.start()
    with pytest.raises(BadImageError, match="a frame of another size than the header says"):
        DicomFrame(tmp_path / "f").load(PLENTY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    made.Rows = made.Columns = 2048
    (tmp_path / "f").write_bytes(encoded(made))
    with pytest.raises(BadImageError, match="more pixels than"):
        DicomFrame(tmp_path / "f").load(1_000_000)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_frame_cut_short_is_refused(tmp_path: Path, syntax: Any, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64), dtype=np.uint8)
    buffer = io.BytesIO()
    options: dict[str, Any] = {"no_jp2": True} if syntax == JPEG2000Lossless else {}
    Image.fromarray(noise[0]).save(buffer, "JPEG2000" if syntax == JPEG2000Lossless else "JPEG", **options)
    whole = buffer.getvalue()
    made = compressed(noise, syntax)
    # As it is, or as if it ended there, which Pillow does not see in a JPEG.
    for ending in (b"", b"\xff\xd9") if syntax == JPEG2000Lossless else (b"",):
        made.PixelData = encapsulate([whole[: int(share * len(whole))] + ending])
        (tmp_path / "f").write_bytes(encoded(made))
        with pytest.raises(BadImageError, match=r"^truncated or damaged"):
            DicomFrame(tmp_path / "f").load(PLENTY)


def test_fewer_frames_than_promised(tmp_path: Path) -> None:
    made = compressed(CINE, JPEGBaseline8Bit, NumberOfFrames=4)
    (tmp_path / "f").write_bytes(encoded(made))
    with pytest.raises(BadImageError, match=r"^truncated or damaged \(fewer frames than it says\)$"):
        DicomFrame(tmp_path / "f").load(PLENTY)


def test_rle_that_would_decode_to_far_too_much(tmp_path: Path) -> None:
    made = dataset(SMOOTH)
    made.compress(RLELossless, generate_instance_uid=False)
    made.PixelData = encapsulate([bytes([1, 0, 0, 0, 64, *bytes(59)]) + b"\x81\0" * 100_000])
    (tmp_path / "f").write_bytes(encoded(made))
    with pytest.raises(BadImageError, match=r"^wrong length of the pixel data$"):
        DicomFrame(tmp_path / "f").load(PLENTY)


def test_a_frame_of_a_long_film_is_read_alone(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (200, 128, 128), dtype=np.uint8)
    write(tmp_path / "f", film, NumberOfFrames=200)
    frame = DicomFrame(tmp_path / "f", 150)
    frame.load(PLENTY)
    tracemalloc.start()
    found = frame.load(PLENTY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.array[..., 0] == film[150]).all()
    assert peak < 20 * film[0].nbytes < film.nbytes / 5


def test_digests_tell_files_frames_and_windows_apart(tmp_path: Path) -> None:
    write(tmp_path / "f", CINE, NumberOfFrames=3)
    write(tmp_path / "g", CINE, NumberOfFrames=3, PatientID="p2")
    frames = [DicomFrame(tmp_path / "f"), DicomFrame(tmp_path / "f", 1), DicomFrame(tmp_path / "f", 0, "lung")]
    digests = {frame.digest() for frame in [*frames, DicomFrame(tmp_path / "g")]}
    assert len(digests) == 4
    assert DicomFrame(tmp_path / "f").digest() == frames[0].digest()
    write(tmp_path / "f", CINE[::-1], NumberOfFrames=3, PatientID="another")
    assert DicomFrame(tmp_path / "f").digest() not in digests


def test_a_devices_film_in_jpeg() -> None:
    path = Path(examples.get_path("ybr_color"))
    first, last = (DicomFrame(path, n).load(PLENTY) for n in (0, 29))
    assert first.array.shape == (240, 320, 3)
    assert (first.array != last.array).any()
    assert first.mode == "DICOM YBR_FULL_422 8 bit"
