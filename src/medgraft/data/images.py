"""Raster image files: checked before they are decoded, then as 8-bit gray or RGB, or 16-bit gray."""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medgraft.data.content import Array, BadImageError, Loaded, TooLargeError
from medgraft.data.stripping import jpeg_without_metadata, png_without_metadata

Pixels = NDArray[np.uint8]
# Pillow knows more, but some of those run programs (PostScript) or read other files.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
DIRECT = {("PNG", "L"), ("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "RGB")}
# All of these come out of Pillow's decoders for damaged files.
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before decoding, with a reason
BYTES_A_PIXEL = 8  # the most that a format which is read needs: four channels of 16 bits
BESIDES = 1_000_000  # bytes of a file that are no pixels
BAND = 256  # rows that are converted at once
TILE = (322, 323)  # tags of a TIFF: width and length of its tiles
LARGEST_FILE = 500_000_000  # bytes


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A raster image file on disk, as content of a record."""

    path: Path

    def digest(self) -> str:
        """SHA-256 of the file."""
        with _unreadable(), self.path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Decode the file whole."""
        if (size := _size(self.path)) > BYTES_A_PIXEL * max_pixels + BESIDES:
            raise TooLargeError(f"more bytes than dataset.max_pixels = {max_pixels} pixels have ({size})")
        return decode_raster(read_file(self.path), max_pixels)

    def kept(self) -> tuple[bytes, str] | None:
        """PNG and JPEG files in 8-bit gray or RGB keep their compressed pixels untouched."""
        return raster_kept(read_file(self.path))


@dataclass(frozen=True, slots=True)
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
    with _unreadable():
        return path.read_bytes()


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
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
    with _damage("truncated or damaged"):
        image.load()
    changes = _changes(image)
    array = _pixels(image)
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
        raise TooLargeError(f"more pixels than dataset.max_pixels = {max_pixels} ({image.width} x {image.height})")
    with _damage("damaged header"):
        # libtiff decodes whole tiles, which may be any size larger than the image.
        width, height = (getattr(image, "tag_v2", {}).get(tag, 1) for tag in TILE)
        if max_pixels is not None and width * height > max_pixels:
            raise TooLargeError(f"more pixels than dataset.max_pixels = {max_pixels} (a tile of {width} x {height})")
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
        ImageOps.exif_transpose(image, in_place=True)  # else it copies what is upright already
        if image.mode.startswith("I"):
            return np.concatenate([_sixteen_bits(np.asarray(band)) for band in _bands(image)])
        if image.mode == "L" and "transparency" not in image.info:
            return np.asarray(image)[:, :, None]
        return _gray_or_colour(image)


def _gray_or_colour(image: Image.Image) -> Pixels:
    """uint8 RGB [H, W, 3], or [H, W, 1] where all channels are equal; band by band, for memory's sake."""
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    gray = True
    for band, pixels in zip(_bands(image), np.split(rgb, range(BAND, height, BAND)), strict=True):
        pixels[:] = np.asarray(_on_black(band).convert("RGB"))
        gray = gray and bool((pixels[..., :1] == pixels[..., 1:]).all())
    return np.ascontiguousarray(rgb[..., :1]) if gray else rgb


def _bands(image: Image.Image) -> Iterator[Image.Image]:
    for top in range(0, image.height, BAND):
        yield image.crop((0, top, image.width, min(top + BAND, image.height)))


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
