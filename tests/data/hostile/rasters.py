"""Hostile image files: more than 700, the same for the same seed."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from tests.data.archiving import Entry, make_zip
from tests.data.hostile.bombs import bombs
from tests.data.hostile.item import (
    ACCEPTED,
    BLANK,
    COLOUR_16,
    DAMAGE,
    EMPTY,
    FRAMES,
    HEADER,
    NOT_WHOLE,
    OUTSIDE,
    TOO_LARGE,
    TRUNCATED,
    UNKNOWN,
    Hostile,
    cut,
    one,
)
from tests.data.hostile.making import PNG, TEXTS, Maker, png, saved

PAYLOAD = b"MZ this program must not be run"
FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "GIF": "gif", "WEBP": "webp", "BMP": "bmp"}
OTHERS = ("EPS", "PPM", "PCX", "TGA", "SGI", "ICO", "DDS", "JPEG2000", "MSP", "SPIDER", "XBM")
SIGNATURES = (PNG, b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"MM\0*", b"BM", b"RIFF\0\1\0\0WEBPVP8 ")


def rasters(seed: int) -> Iterator[Hostile]:
    """All of them, no two with the same name."""
    kinds = (truncated, flipped, nothing, noise, bombs, sizes, frames, extensions, numbers, others, modes, riders)
    for kind in kinds:
        for number, item in enumerate(kind(Maker(seed))):
            yield Hostile(f"{kind.__name__}_{number:03d}.{item.name}", item.content, item.outcomes)


def truncated(make: Maker) -> Iterator[Hostile]:
    """Cut at a random place, always before the last pixels."""
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {"progressive": True}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "L", {"compression": "tiff_deflate"}),
        ("GIF", "P", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGB", {"quality": 90}),
        ("BMP", "RGB", {}),
    ]
    for kind, mode, options in ways:
        for _ in range(30):
            yield Hostile(FORMATS[kind], cut(make.encoded(kind, mode, **options), make.draw), DAMAGE)


def flipped(make: Maker) -> Iterator[Hostile]:
    """One bit of a PNG's pixels, which its checksum tells."""
    for _ in range(40):
        raw = bytearray(make.encoded("PNG"))
        start = raw.index(b"IDAT") + 4
        raw[make.draw.randint(start, len(raw) - 17)] ^= 1 << make.draw.randrange(8)
        yield one("png", bytes(raw), TRUNCATED)


def nothing(make: Maker) -> Iterator[Hostile]:
    """No bytes, or text where an image should be."""
    for extension in ("png", "jpg", "tif", "gif", "webp", "bmp", "dcm", "PNG", "unknown", "nii"):
        yield one(extension, b"", EMPTY)
    for text in TEXTS:
        for extension in ("png", "jpg", "tif", "gif", "bmp"):
            yield one(extension, text, UNKNOWN)


def noise(make: Maker) -> Iterator[Hostile]:
    """Random bytes, alone and behind the first bytes of each format."""
    for length in (1, 2, 3, 4, 7, 8, 16, 64, 132, 512, 1024, 4096, 65_536):
        for extension in ("png", "jpg", "tif"):
            yield one(extension, make.bytes(length), UNKNOWN, HEADER)
    for signature in SIGNATURES:
        for _ in range(8):
            content = signature + make.bytes(make.draw.randint(0, 2000))
            yield Hostile("img", content, DAMAGE | {TOO_LARGE, FRAMES, COLOUR_16})


def sizes(make: Maker) -> Iterator[Hostile]:
    """From no pixel to 65,535 in a row."""
    for kind, extension in FORMATS.items():
        yield one(extension, saved(make.noise("L", 1, 1), kind), BLANK)
        for width, height in ((1, 2), (2, 1)):
            yield one(extension, saved(make.noise("L", width, height), kind), ACCEPTED)
        longest = 16_383 if kind == "WEBP" else 65_500 if kind == "JPEG" else 65_535
        for width, height in ((longest, 1), (1, longest), (longest, 2)):
            yield one(extension, saved(make.noise("L", width, height), kind), ACCEPTED)
    for width, height in ((0, 8), (8, 0), (0, 0)):
        yield one("png", png(width, height, 8, 0, bytes(64)), *DAMAGE)
        raw = bytearray(make.encoded("JPEG"))
        at = raw.index(b"\xff\xc0") + 5
        raw[at : at + 4] = struct.pack(">HH", height, width)
        yield one("jpg", bytes(raw), *DAMAGE)
        raw = bytearray(make.encoded("BMP"))
        raw[18:26] = struct.pack("<ii", width, height)
        yield one("bmp", bytes(raw), *DAMAGE, "an image without pixels")


def frames(make: Maker) -> Iterator[Hostile]:
    """Animations and pages: which of them would be the image?"""
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        for count in (2, 2, 3, 5, 9):
            mode = "P" if kind == "GIF" else "RGB"
            more = [make.noise(mode) for _ in range(count - 1)]
            for extension in (FORMATS[kind], "jpg"):
                yield one(extension, saved(make.noise(mode), kind, save_all=True, append_images=more), FRAMES)
    for _ in range(3):
        yield one("jpg", saved(make.noise(), "MPO", save_all=True, append_images=[make.noise()]), FRAMES)


def extensions(make: Maker) -> Iterator[Hostile]:
    """Sound images under other names: not the name tells what a file is."""
    for kind in FORMATS:
        for extension in ("png", "jpg", "tif", "gif", "dcm", "txt", "exe"):
            yield one(extension, make.encoded(kind, "P" if kind == "GIF" else "L"), ACCEPTED)


def numbers(make: Maker) -> Iterator[Hostile]:
    """Pixels that are not of 8 bits."""
    for _ in range(5):
        floats = make.numbers.normal(size=(8, 8)).astype(np.float32)
        yield one("tif", saved(Image.fromarray(floats), "TIFF"), NOT_WHOLE)
        floats[0, 0], floats[1, 1] = np.nan, np.inf
        yield one("tif", saved(Image.fromarray(floats), "TIFF"), NOT_WHOLE)
        wide = make.numbers.integers(2**16, 2**31, (8, 8)).astype(np.int32)
        yield one("tif", saved(Image.fromarray(wide), "TIFF"), OUTSIDE)
        yield one("tif", saved(Image.fromarray(-wide), "TIFF"), OUTSIDE)
        yield one("png", png(4, 4, 16, 2, b"".join(b"\0" + make.bytes(24) for _ in range(4))), COLOUR_16)
        yield one("png", png(4, 4, 16, 6, b"".join(b"\0" + make.bytes(32) for _ in range(4))), COLOUR_16)
        sixteen = make.numbers.integers(0, 2**16, (8, 8)).astype(np.uint16)
        for kind in ("PNG", "TIFF"):
            yield one(FORMATS[kind], saved(Image.fromarray(sixteen + np.uint16(kind == "PNG")), kind), ACCEPTED)


def others(make: Maker) -> Iterator[Hostile]:
    """Formats that are not read: some of them run programs, or read other files."""
    for kind in OTHERS:
        mode = {"SPIDER": "F", "XBM": "1", "MSP": "1"}.get(kind, "RGB")
        image = make.noise().convert(mode)
        for extension in ("png", kind.lower()):
            yield one(extension, saved(image, kind), UNKNOWN)


def modes(make: Maker) -> Iterator[Hostile]:
    """Colours, transparency and EXIF that are to be brought to gray or RGB, or are lies."""
    for _ in range(4):
        for mode in ("CMYK", "YCbCr"):
            yield one("jpg", make.encoded("JPEG", mode), ACCEPTED)
        for mode in ("RGBA", "LA"):
            yield one("png", make.encoded("PNG", mode), ACCEPTED)
        yield one("png", saved(make.noise("L").convert("1"), "PNG"), ACCEPTED)
        exif = Image.Exif()
        exif[0x0112] = make.draw.randint(2, 8)
        yield one("jpg", make.encoded("JPEG", exif=exif), ACCEPTED)
        yield one("jpg", make.encoded("JPEG", exif=b"Exif\0\0II*\0" + make.bytes(200)), ACCEPTED, *DAMAGE)
        yield one("png", make.encoded("PNG", icc_profile=make.bytes(300)), ACCEPTED)


def riders(make: Maker) -> Iterator[Hostile]:
    """Sound images that carry a program, which must not reach the dataset."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", PAYLOAD.decode())
    archive = make_zip([Entry("a.txt", PAYLOAD)])
    for _ in range(3):
        yield one("png", make.encoded("PNG", pnginfo=text), ACCEPTED)
        yield one("jpg", make.encoded("JPEG", comment=PAYLOAD), ACCEPTED)
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF"):
            raw = make.encoded(kind, "P" if kind == "GIF" else "RGB")
            yield one(FORMATS[kind], raw + PAYLOAD, ACCEPTED)
            yield one(FORMATS[kind], raw + archive, ACCEPTED)
    yield one("json", json.dumps({"pixels": [0] * 64}).encode(), UNKNOWN)
