"""One decoder for every image: what a file holds, checked before it is decoded, as 8-bit gray or RGB."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medgraft.data.stripping import jpeg_without_metadata, png_without_metadata

Pixels = NDArray[np.uint8]
DIRECT = {("PNG", "L"), ("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "RGB")}
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
    pixels = _pixels(image, max_pixels)
    height, width, channels = pixels.shape
    digest = hashlib.sha256(f"{height}x{width}x{channels}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Examined(digest.hexdigest()[:32], width, height, channels, image.mode, _changes(image))


def stored_bytes(raw: bytes, max_pixels: int) -> tuple[bytes, str]:
    """The bytes a dataset keeps, and their extension: no metadata, upright, 8-bit gray or RGB.

    PNG and JPEG files that are so already keep their compressed pixels untouched; all else becomes PNG.
    """
    image = _open(raw, max_pixels)
    if _changes(image):
        buffer = io.BytesIO()
        pixels = _pixels(image, max_pixels)
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        return buffer.getvalue(), "png"
    if image.format == "JPEG":
        return jpeg_without_metadata(raw), "jpg"
    return png_without_metadata(raw), "png"


def decode(raw: bytes) -> Pixels:
    """Stored bytes → uint8 [H, W, 3] RGB, as the served model decodes a request."""
    with Image.open(io.BytesIO(raw)) as image:
        return np.asarray(image.convert("RGB"))


def _open(raw: bytes, max_pixels: int) -> Image.Image:
    if not raw:
        raise BadImageError("empty file")
    try:
        image = Image.open(io.BytesIO(raw))
    except UnidentifiedImageError as error:
        raise BadImageError("not an image that can be read") from error
    except (OSError, ValueError, SyntaxError, OverflowError, MemoryError) as error:
        raise BadImageError(f"damaged header ({type(error).__name__})") from error
    if image.width * image.height > max_pixels:
        raise BadImageError(f"{image.width} x {image.height} pixels, more than dataset.max_pixels = {max_pixels}")
    if getattr(image, "n_frames", 1) > 1:
        raise BadImageError("more than one frame")
    if image.mode.startswith(("I", "F")):
        raise BadImageError(f"more than 8 bits a channel (mode {image.mode})")
    return image


def _pixels(image: Image.Image, max_pixels: int) -> Pixels:
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "L":
            return np.asarray(upright)[:, :, None]
        rgb = np.asarray(_on_black(upright).convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError) as error:
        raise BadImageError(f"truncated or damaged ({type(error).__name__})") from error
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
    exif: Any = image.getexif()
    if exif.get(ExifTags.Base.Orientation, 1) != 1:
        found.append("turned upright as EXIF says")
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        found.append("transparency laid on black")
    if (image.format, image.mode) not in DIRECT:
        found.append(f"{image.format} {image.mode} stored as 8-bit PNG")
    return tuple(found)
