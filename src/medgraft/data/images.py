"""One decoder for every image: what a file holds, checked before it is decoded, as 8-bit gray or RGB."""

import hashlib
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medgraft.data.stripping import jpeg_without_metadata, png_without_metadata

Pixels = NDArray[np.uint8]
# Pillow knows more, but some of those run programs (PostScript) or read other files.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
DIRECT = {("PNG", "L"), ("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "RGB")}
# All of these come out of Pillow's decoders for damaged files.
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before decoding, with a reason


class BadImageError(Exception):
    """An image that must not enter a dataset; the message is the reason for its quarantine."""


@dataclass(frozen=True)
class Examined:
    """What is known of an image after decoding it: its content hash, its shape and what storing it will change."""

    image_id: str
    width: int
    height: int
    channels: int
    mode: str
    changes: tuple[str, ...]


def examine(raw: bytes, max_pixels: int) -> Examined:
    """Decode `raw` whole and describe it; raises `BadImageError` with the reason when it cannot be used."""
    image = _open(raw, max_pixels)
    pixels = _pixels(image)
    changes = _changes(image)
    if not changes:
        _stripped(raw, image)
    height, width, channels = pixels.shape
    digest = hashlib.sha256(f"{height}x{width}x{channels}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Examined(digest.hexdigest()[:32], width, height, channels, image.mode, changes)


def stored_bytes(raw: bytes, max_pixels: int) -> tuple[bytes, str]:
    """The bytes a dataset keeps, and their extension: no metadata, upright, 8-bit gray or RGB.

    PNG and JPEG files that are so already keep their compressed pixels untouched; all else becomes PNG.
    """
    image = _open(raw, max_pixels)
    if _changes(image):
        buffer = io.BytesIO()
        pixels = _pixels(image)
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        return buffer.getvalue(), "png"
    return _stripped(raw, image)


def decode(raw: bytes) -> Pixels:
    """Stored bytes → uint8 [H, W, 3] RGB, as the served model decodes a request."""
    with Image.open(io.BytesIO(raw)) as image:
        return np.asarray(image.convert("RGB"))


def _open(raw: bytes, max_pixels: int) -> Image.Image:
    if not raw:
        raise BadImageError("empty file")
    with _damage("damaged header"):
        try:
            image = Image.open(io.BytesIO(raw), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise BadImageError(f"not an image that can be read ({', '.join(FORMATS)})") from error
    if image.width * image.height > max_pixels:
        raise BadImageError(f"more pixels than dataset.max_pixels = {max_pixels} ({image.width} x {image.height})")
    with _damage("damaged header"):
        frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise BadImageError("more than one frame")
    if image.mode.startswith(("I", "F")) or any(";16" in str(tile) for tile in image.tile):
        # Pillow opens 16-bit colour as 8-bit RGB; only the raw mode of its tiles still tells.
        raise BadImageError(f"more than 8 bits a channel (mode {image.mode})")
    return image


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise BadImageError(f"{what} ({type(error).__name__})") from error


def _stripped(raw: bytes, image: Image.Image) -> tuple[bytes, str]:
    try:
        if image.format == "JPEG":
            return jpeg_without_metadata(raw), "jpg"
        return png_without_metadata(raw), "png"
    except ValueError as error:
        raise BadImageError(f"truncated or damaged ({error})") from error


def _pixels(image: Image.Image) -> Pixels:
    with _damage("truncated or damaged"):
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "L" and "transparency" not in upright.info:
            return np.asarray(upright)[:, :, None]
        rgb = np.asarray(_on_black(upright).convert("RGB"))
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all():
        return rgb[..., :1]
    return rgb


def _on_black(image: Image.Image) -> Image.Image:
    """Transparency shows black, as an empty background does in most modalities."""
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image


def _changes(image: Image.Image) -> tuple[str, ...]:
    found = []
    with _damage("truncated or damaged"):
        exif: Any = image.getexif()
    if exif.get(ExifTags.Base.Orientation) in range(2, 9):
        found.append("turned upright as EXIF says")
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        found.append("transparency laid on black")
    if (image.format, image.mode) not in DIRECT:
        found.append(f"{image.format} {image.mode} stored as 8-bit PNG")
    return tuple(found)
