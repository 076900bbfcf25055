"""Raster image files: checked before they are decoded, then as 8-bit gray or RGB, or 16-bit gray."""

import io
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medgraft.data.content import Array, BadImageError, Loaded
from medgraft.data.stripping import jpeg_without_metadata, png_without_metadata

Pixels = NDArray[np.uint8]
# Pillow knows more, but some of those run programs (PostScript) or read other files.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
DIRECT = {("PNG", "L"), ("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "RGB")}
# All of these come out of Pillow's decoders for damaged files.
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before decoding, with a reason
LARGE = 16_000_000  # pixels, or bytes of a file; more than that is decoded one image at a time, to bound memory
LARGEST_FILE = 500_000_000  # bytes
_one_large = threading.RLock()


@dataclass(frozen=True)
class ImageFile:
    """A raster image file on disk, as content of a record."""

    path: Path

    def digest(self) -> str:
        """SHA-256 of the file."""
        with _one_large if _size(self.path) > LARGE else nullcontext():
            return sha256(read_file(self.path)).hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Decode the file whole."""
        with _one_large if _size(self.path) > LARGE else nullcontext():
            return decode_raster(read_file(self.path), max_pixels)

    def kept(self) -> tuple[bytes, str] | None:
        """PNG and JPEG files in 8-bit gray or RGB keep their compressed pixels untouched."""
        return raster_kept(read_file(self.path))


@dataclass(frozen=True)
class ImageBytes:
    """An encoded raster image inside a container; `read` gives its bytes and may raise `BadImageError`."""

    read: Callable[[], bytes]

    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return sha256(self.read()).hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Decode them whole."""
        return decode_raster(self.read(), max_pixels)

    def kept(self) -> tuple[bytes, str] | None:
        """PNG and JPEG in 8-bit gray or RGB keep their compressed pixels untouched."""
        return raster_kept(self.read())


def read_file(path: Path) -> bytes:
    """A file's bytes; raises `BadImageError` when it cannot be read or has more than 500 MB."""
    if (size := _size(path)) > LARGEST_FILE:
        raise BadImageError(f"more bytes than {LARGEST_FILE} ({size})")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadImageError("file missing") from error
    except OSError as error:
        raise BadImageError(f"file cannot be read ({type(error).__name__})") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def decode_raster(raw: bytes, max_pixels: int) -> Loaded:
    """Decode an image file whole: upright, without transparency, gray where all channels are equal.

    uint8 [H, W, 1 or 3], or uint16 [H, W, 1] for gray with more than 8 bits. Raises `BadImageError` with the reason
    when it cannot be used.
    """
    image = _open(raw, max_pixels)
    with _one_large if image.width * image.height > LARGE else nullcontext():
        array = _pixels(image)
    changes = _changes(image)
    if not changes and array.dtype == np.uint8:
        _stripped(raw, image)
    return Loaded(array, f"{image.format} {image.mode}", changes)


def raster_kept(raw: bytes) -> tuple[bytes, str] | None:
    """The bytes without metadata, and their extension, of a file that is stored as it is; None for all others."""
    image = _open(raw, None)
    return None if _changes(image) else _stripped(raw, image)


def encode_png(pixels: Pixels) -> bytes:
    """uint8 [H, W, 1 or 3] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def decode(raw: bytes) -> Pixels:
    """Stored bytes → uint8 [H, W, 3] RGB, as the served model decodes a request."""
    with Image.open(io.BytesIO(raw)) as image:
        return np.asarray(image.convert("RGB"))


def _open(raw: bytes, max_pixels: int | None) -> Image.Image:
    if not raw:
        raise BadImageError("empty file")
    with _damage("damaged header"):
        try:
            image = Image.open(io.BytesIO(raw), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise BadImageError(f"not an image that can be read ({', '.join(FORMATS)})") from error
    if max_pixels is not None and image.width * image.height > max_pixels:
        raise BadImageError(f"more pixels than dataset.max_pixels = {max_pixels} ({image.width} x {image.height})")
    with _damage("damaged header"):
        frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise BadImageError("more than one frame")
    if image.mode == "F":
        raise BadImageError("pixels that are not whole numbers")
    if not image.mode.startswith("I") and any(";16" in str(tile) for tile in image.tile):
        # Pillow opens 16-bit colour as 8-bit RGB; only the raw mode of its tiles still tells.
        raise BadImageError(f"more than 8 bits a channel in colour (mode {image.mode})")
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


def _pixels(image: Image.Image) -> Array:
    with _damage("truncated or damaged"):
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            return _sixteen_bits(np.asarray(upright))
        if upright.mode == "L" and "transparency" not in upright.info:
            return np.asarray(upright)[:, :, None]
        rgb = np.asarray(_on_black(upright).convert("RGB"))
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all():
        return rgb[..., :1]
    return rgb


def _sixteen_bits(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError(f"values outside 16 bits ({values.min()} to {values.max()})")
    return values.astype(np.uint16)[:, :, None]


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
