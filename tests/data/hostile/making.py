"""What hostile files are made of: noise as image files, and text that is none."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

Image.init()
PNG = b"\x89PNG\r\n\x1a\n"
TEXTS = (
    b"ERROR 0x80070057: image not exported\r\n",
    b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    b"image_id,label\n1,healthy\n",
    b'{"error": "session expired"}',
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(/etc/passwd) run\n",
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
    b"#!/bin/sh\nrm -rf ~\n",
    b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0",
    b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0",
    b" ",
)


class Maker:
    """Image files whose pixels no other file has."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.numbers = np.random.default_rng(seed)

    def noise(self, mode: str = "RGB", width: int = 24, height: int = 16) -> Image.Image:
        """An image of noise."""
        channels = len(Image.new(mode, (1, 1)).getbands())
        shape = (height, width, channels) if channels > 1 else (height, width)
        pixels = self.numbers.integers(0, 256, shape, dtype=np.uint8)
        return Image.fromarray(pixels, None if channels in (1, 3) else mode)

    def encoded(self, kind: str, mode: str = "RGB", **options: Any) -> bytes:
        """An image of noise as a file."""
        return saved(self.noise(mode), kind, **options)

    def bytes(self, count: int) -> bytes:
        """Noise that is no image."""
        return self.numbers.bytes(count)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file, chunk by chunk."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    middle = b"".join(chunk(kind, content) for kind, content in chunks)
    return PNG + header + middle + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
