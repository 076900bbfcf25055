"""Names and dates vanish from every place of a file that may hold them; the pixels stay as they are."""

import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.data.sources import encoded, noise

from medgraft.data.images import decode
from medgraft.data.stripping import jpeg_without_metadata, png_without_metadata

SECRET = b"MRN-1234567"
PIXELS = noise(1, size=32, channels=3)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    return exif


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def test_png_keeps_pixels_alone() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("PatientID", SECRET.decode())
    info.add_itxt("Study", SECRET.decode())
    raw = encoded(PIXELS, pnginfo=info, exif=_exif(), icc_profile=SECRET, dpi=(72, 72)) + SECRET
    assert raw.count(SECRET) >= 4
    clean = png_without_metadata(raw)
    assert SECRET not in clean
    assert clean == encoded(PIXELS)
    np.testing.assert_array_equal(decode(clean), PIXELS)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
@pytest.mark.parametrize("channels", [None, 3])
def test_jpeg_keeps_pixels_alone(options: dict[str, object], channels: int | None) -> None:
    pixels = noise(2, size=32, channels=channels)
    plain = encoded(pixels, "JPEG", **options)
    raw = encoded(pixels, "JPEG", exif=_exif(), comment=SECRET, icc_profile=SECRET, **options)
    hidden = b"".join(_segment(marker, SECRET) for marker in (0xE0, 0xE1, 0xE5, 0xED, 0xEE, 0xEF, 0xFE))
    raw = raw[:2] + hidden + raw[2:] + SECRET
    clean = jpeg_without_metadata(raw)
    assert SECRET not in clean
    assert clean == plain
    np.testing.assert_array_equal(decode(clean), decode(raw))


def test_a_thumbnail_in_the_jfif_segment_goes() -> None:
    plain = encoded(PIXELS, "JPEG")
    header = plain[6:18]
    with_thumbnail = plain[:2] + _segment(0xE0, header + b"\x02\x02" + SECRET + b"!") + plain[20:]
    clean = jpeg_without_metadata(with_thumbnail)
    assert SECRET not in clean
    assert clean == plain


def test_the_adobe_segment_keeps_its_colours() -> None:
    image = Image.fromarray(PIXELS)
    raw = encoded(PIXELS, "JPEG", keep_rgb=True)  # RGB without YCbCr: only the Adobe segment tells
    clean = jpeg_without_metadata(raw + SECRET)
    np.testing.assert_array_equal(decode(clean), decode(raw))
    assert np.abs(decode(clean).astype(int) - np.asarray(image)).mean() < 40


@pytest.mark.parametrize("raw", [b"", b"\x89PNG\r\n\x1a\n", encoded(PIXELS)[:-12], encoded(PIXELS)[:-4]])
def test_damaged_png_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        png_without_metadata(raw)


@pytest.mark.parametrize("raw", [b"", b"\xff\xd8", b"\xff\xd8ab", encoded(PIXELS, "JPEG")[:-2]])
def test_damaged_jpeg_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        jpeg_without_metadata(raw)
