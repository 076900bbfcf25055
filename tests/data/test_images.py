"""Any bytes end as a described image or a reason; what is stored has the pixels that were examined, and no more."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.sources import encoded, noise

from medgraft.data import examination
from medgraft.data.content import BadImageError
from medgraft.data.examination import Examined, white_value
from medgraft.data.images import ImageBytes, Pixels, decode, decode_raster

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
LIMIT = 10_000
GRAY, COLOUR = noise(1), noise(2, channels=3)


def _image(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _frames(kind: str) -> bytes:
    return encoded(COLOUR, kind, save_all=True, append_images=[Image.fromarray(255 - COLOUR)])


def _png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def examine(raw: bytes, max_pixels: int) -> Examined:
    return examination.examine(decode_raster(raw, max_pixels))


def stored_bytes(raw: bytes, max_pixels: int, white: int | None = None) -> tuple[bytes, str]:
    found = examine(raw, max_pixels)
    return examination.stored_bytes(ImageBytes(lambda: raw), found, white_value([found], white), max_pixels)


def _stored(raw: bytes, white: int | None = None) -> Pixels:
    return decode(stored_bytes(raw, LIMIT, white)[0])


SAMPLES = [
    encoded(GRAY),
    encoded(COLOUR),
    encoded(COLOUR, "JPEG", progressive=True),
    encoded(GRAY, "JPEG", exif=Image.Exif()),
    encoded(COLOUR, "TIFF"),
    encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    encoded(COLOUR, "WEBP"),
    encoded(COLOUR, "BMP"),
    _image(Image.fromarray(COLOUR).quantize(8), "GIF"),
    _frames("GIF"),
]


@given(st.binary(max_size=200))
def test_random_bytes_give_only_reasons(raw: bytes) -> None:
    with pytest.raises(BadImageError, match=r"\w"):
        examine(raw, LIMIT)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
@example(SAMPLES[0], [], 1 - 4 / len(SAMPLES[0]))
def test_damage_gives_a_reason_or_an_image_that_can_be_stored(
    raw: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    spoilt = bytearray(raw)
    for where, value in changes:
        spoilt[int(where * len(spoilt))] = value
    spoilt = spoilt[: round(kept * len(spoilt))] if kept < 0.9 else spoilt
    try:
        found = examine(bytes(spoilt), LIMIT)
    except BadImageError:
        return
    kept_bytes, _ = stored_bytes(bytes(spoilt), LIMIT)
    assert examine(kept_bytes, LIMIT).image_id == found.image_id


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_every_truncation_is_noticed(kind: str) -> None:
    raw = encoded(COLOUR if kind != "GIF" else GRAY, kind)
    whole = examine(raw, LIMIT)
    for length in range(len(raw)):
        try:
            cut = examine(raw[:length], LIMIT)
        except BadImageError:
            continue
        assert (kind, cut.image_id) == (kind, whole.image_id)  # nothing but what follows the pixels was lost
        assert kind not in ("PNG", "JPEG")


def test_a_flipped_bit_in_a_png_is_noticed() -> None:
    raw = bytearray(encoded(COLOUR))
    raw[raw.index(b"IDAT") + 60] ^= 1
    with pytest.raises(BadImageError, match="damaged"):
        examine(bytes(raw), LIMIT)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"not exported", "not an image that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "not an image"),
        (encoded(GRAY)[:60], "truncated or damaged"),
        (encoded(COLOUR, "JPEG")[:-30], "truncated or damaged"),
        (encoded(GRAY)[:-12], "truncated or damaged"),
        (_png(200_000, 200_000, 8, 0, b""), r"more pixels than dataset.max_pixels = 10000 \(200000 x 200000\)"),
        (_png(2, 1, 16, 2, b"\0" + bytes(12)), "more than 8 bits"),
        (_png(2, 1, 16, 6, b"\0" + bytes(16)), "more than 8 bits"),
        (_image(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "pixels that are not whole numbers"),
        (_frames("GIF"), "more than one frame"),
        (_frames("PNG"), "more than one frame"),
        (_frames("TIFF"), "more than one frame"),
        (_frames("WEBP"), "more than one frame"),
    ],
)
def test_unusable_images_have_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        examine(raw, LIMIT)


def test_gray_is_the_same_image_however_it_is_stored() -> None:
    rgb = np.repeat(GRAY[:, :, None], 3, axis=2)
    opaque = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=2)
    files = [encoded(GRAY), encoded(rgb), encoded(opaque), encoded(GRAY, "BMP"), encoded(rgb, "TIFF")]
    found = [examine(raw, LIMIT) for raw in files]
    assert {f.image_id for f in found} == {found[0].image_id}
    assert {f.channels for f in found} == {1}
    for raw in files:
        np.testing.assert_array_equal(_stored(raw), rgb)


def test_other_pixels_or_another_shape_are_another_image() -> None:
    changed = GRAY.copy()
    changed[0, 0] ^= 1
    files = [encoded(p) for p in (GRAY, changed, GRAY.reshape(4, 16), COLOUR)]
    assert len({examine(raw, LIMIT).image_id for raw in files}) == 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(kind: str, orientation: int) -> None:
    pixels = noise(3, size=16, channels=3)[:8]
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encoded(pixels, kind, exif=exif)
    plain = decode(encoded(pixels, kind))
    upright = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.transpose(1, 0, 2),
        6: np.rot90(plain, -1),
        7: plain[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(plain),
    }[orientation]
    np.testing.assert_array_equal(_stored(raw), upright)
    found = examine(raw, LIMIT)
    assert found.shape[:2] == upright.shape[:2]
    assert found.changes == (() if orientation == 1 else ("turned upright as EXIF says",))


def test_palette_becomes_its_colours() -> None:
    image = Image.fromarray(COLOUR).quantize(8)
    raw = _image(image, "PNG")
    np.testing.assert_array_equal(_stored(raw), np.asarray(image.convert("RGB")))
    assert examine(raw, LIMIT).changes == ("PNG P stored as 8-bit PNG",)


def test_cmyk_becomes_rgb() -> None:
    flat = np.zeros((16, 16, 4), dtype=np.uint8)
    flat[..., 0] = 255  # full cyan
    flat[8:, :, 3] = 255  # below it black: an image of one value identifies nobody
    raw = _image(Image.fromarray(flat, "CMYK"), "JPEG", quality=100)
    assert np.abs(_stored(raw)[:7].astype(int) - [0, 255, 255]).max() <= 3
    assert examine(raw, LIMIT).changes == ("JPEG CMYK stored as 8-bit PNG",)


def test_transparency_shows_black() -> None:
    rgba = np.concatenate([COLOUR, np.full((8, 8, 1), 255, np.uint8)], axis=2)
    rgba[:4, :, 3] = 0
    expected = COLOUR.copy()
    expected[:4] = 0
    np.testing.assert_array_equal(_stored(encoded(rgba)), expected)
    gray = GRAY.copy()
    gray[0, 0] = 200
    keyed = encoded(gray, "PNG", transparency=200)  # a gray value that stands for "nothing here"
    np.testing.assert_array_equal(_stored(keyed)[..., 0], np.where(gray == 200, 0, gray))
    assert examine(keyed, LIMIT).changes == ("transparency laid on black",)


def test_kept_files_keep_their_compressed_pixels() -> None:
    for raw, extension in ((encoded(COLOUR), "png"), (encoded(COLOUR, "JPEG"), "jpg")):
        assert stored_bytes(raw, LIMIT) == (raw, extension)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_one_value_for_the_whole_set(kind: str) -> None:
    values = noise(4).astype(np.uint16) * 16 + 7  # 12 bits
    raw = encoded(values, kind)
    found = examine(raw, LIMIT)
    assert (found.largest, found.shape) == (int(values.max()), (8, 8, 1))
    assert white_value([found], None) == 4095
    np.testing.assert_array_equal(_stored(raw)[..., 0], np.round(values * (255 / 4095)))
    np.testing.assert_array_equal(_stored(raw, 1000)[..., 0], np.round(np.minimum(values, 1000) * (255 / 1000)))
    eight = examine(encoded(GRAY), LIMIT)
    assert white_value([found, eight], None) == 4095
    assert white_value([eight], None) is None
    assert stored_bytes(raw, LIMIT)[1] == "png"


def test_thirty_two_bits_are_taken_only_where_they_hold_sixteen() -> None:
    values = noise(5).astype(np.int32) * 200
    assert examine(_image(Image.fromarray(values), "TIFF"), LIMIT).largest == int(values.max())
    for wrong in (values - 60_000, values + 60_000):
        with pytest.raises(BadImageError, match="values outside 16 bits"):
            examine(_image(Image.fromarray(wrong), "TIFF"), LIMIT)
