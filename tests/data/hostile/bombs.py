"""Image files of few bytes that promise, or hold, more pixels than memory should."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image
from tests.data.hostile.item import ACCEPTED, BLANK, DAMAGE, TOO_LARGE, Hostile, one
from tests.data.hostile.making import Maker, png, saved


def bombs(make: Maker) -> Iterator[Hostile]:
    """Few bytes that promise, or hold, more pixels than memory should."""
    for width, height in ((30_000, 30_000), (10_001, 10_000), (2**31 - 1, 2**31 - 1), (100_000_001, 1), (1, 2**31 - 1)):
        for depth, colour in ((1, 0), (8, 0), (8, 2), (8, 3), (8, 6), (16, 0)):
            palette = ((b"PLTE", bytes(768)),) if colour == 3 else ()
            yield one("png", png(width, height, depth, colour, bytes(10_000), *palette), TOO_LARGE)
    whole = _zeros(30_000 * 3751)  # a PNG of 30,000 x 30,000 whose pixels are all there
    yield one("png", png(30_000, 30_000, 1, 0, b"").replace(zlib.compress(b"", 9), whole), TOO_LARGE)
    for _ in range(5):
        for patched in (_wide_jpeg, _wide_gif, _wide_bmp, _wide_tiff, _wide_webp):
            yield one("img", patched(make), TOO_LARGE)
    for chunk in (b"zTXt", b"iTXt", b"iCCP"):  # text or a profile that inflates to 100 MB
        head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[chunk]
        content = head + _zeros(10**8)
        yield one("png", png(4, 4, 8, 0, make.bytes(20).replace(b"\5", b"\0"), (chunk, content)), ACCEPTED, *DAMAGE)
    yield one("png", saved(Image.new("1", (4000, 4000)), "PNG"), BLANK)
    yield one("tif", _huge_tiles(), TOO_LARGE)


@cache
def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def _wide_jpeg(make: Maker) -> bytes:
    raw = bytearray(make.encoded("JPEG"))
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(raw)


def _wide_gif(make: Maker) -> bytes:
    raw = bytearray(make.encoded("GIF", "P"))
    raw[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(raw)


def _wide_bmp(make: Maker) -> bytes:
    raw = bytearray(make.encoded("BMP"))
    raw[18:26] = struct.pack("<ii", 100_000, 100_000)
    return bytes(raw)


def _wide_tiff(make: Maker) -> bytes:
    image = make.noise()
    raw = bytearray(saved(image, "TIFF"))
    for tag in (256, 257):
        at = raw.index(struct.pack("<HHI", tag, 4, 1))
        raw[at + 8 : at + 12] = struct.pack("<I", 60_000)
    return bytes(raw)


def _wide_webp(make: Maker) -> bytes:
    raw = bytearray(make.encoded("WEBP", lossless=True))
    at = raw.index(b"VP8L") + 9
    raw[at : at + 4] = struct.pack("<I", 16_383 | 16_383 << 14)
    return bytes(raw)


def _huge_tiles() -> bytes:
    """A TIFF of 16 x 16 pixels in one tile of 10,240 x 10,240, which deflates to a tenth of a megabyte."""
    data = _zeros(10_240**2)
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 10_240, 323: 10_240, 324: 0, 325: len(data)}
    start = 8 + 2 + 12 * len(tags) + 4
    tags[324] = start
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data
