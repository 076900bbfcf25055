"""Images and volumes that are arrays inside a container (HDF5, NumPy): nothing encoded, nothing to strip."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np

from medgraft.data.content import Array, BadImageError, Loaded, TooLargeError
from medgraft.data.nifti import Spacing, fitting_shape, single
from medgraft.data.volumes import settled

Read = Callable[[], Array]


@dataclass(frozen=True)
class ImageArray:
    """uint8 [H, W], [H, W, 1] or [H, W, 3], or uint16 [H, W] or [H, W, 1]; gray where all channels are equal.

    `shape`: where the container tells it without reading, so that nothing too large is read. `read` may raise
    `BadImageError`.
    """

    read: Read
    shape: tuple[int, ...] | None = None

    def digest(self) -> str:
        """SHA-256 of shape, type and values."""
        return _digest(self.read())

    def load(self, max_pixels: int) -> Loaded:
        """Read it, if it is not too large."""
        _refuse_large(self.shape, max_pixels)
        array = self.read()
        _refuse_large(array.shape, max_pixels)
        channels = 1 if array.ndim == 2 else array.shape[-1]
        if array.ndim not in (2, 3) or channels not in (1, 3):
            raise BadImageError(f"an array that is no image ({' x '.join(map(str, array.shape))})")
        if array.dtype.name not in ("uint8", "uint16"):
            raise BadImageError(f"values that are neither 8 nor 16 bits ({array.dtype.name})")
        if array.dtype.name == "uint16" and channels == 3:
            raise BadImageError("more than 8 bits a channel in colour (an array)")
        pixels = array.astype(array.dtype.newbyteorder("="), copy=False).reshape(*array.shape[:2], channels)
        if channels == 3 and (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
            pixels = pixels[..., :1]
        return Loaded(pixels, f"array {array.dtype.name}", (f"{array.dtype.name} array stored as 8-bit PNG",))

    def kept(self) -> tuple[bytes, str] | None:
        """Nothing: there is no file."""
        return None


@dataclass(frozen=True)
class VolumeArray:
    """Numbers [X, Y, Z] and their spacing (mm), in the order of NIfTI; `read` and `shape` as for images."""

    read: Read
    spacing: Spacing
    shape: tuple[int, ...] | None = None

    def digest(self) -> str:
        """SHA-256 of shape, type and values."""
        return _digest(self.read())

    def load(self, max_pixels: int) -> Loaded:
        """Read it, if it is not too large."""
        if self.shape is not None:
            fitting_shape(self.shape, max_pixels)
        array = self.read()
        if array.ndim != 3 or array.dtype.kind not in "iuf" or array.size == 0:
            raise BadImageError(f"an array that is no volume ({' x '.join(map(str, array.shape))} {array.dtype.name})")
        fitting_shape(array.shape, max_pixels)
        values = settled(array)
        same = values.dtype.name == array.dtype.name
        changes = () if same else (f"{array.dtype.name} stored as {values.dtype.name}",)
        return Loaded(values, f"array {array.dtype.name}", changes, single(self.spacing))

    def kept(self) -> tuple[bytes, str] | None:
        """Nothing: there is no file."""
        return None


def _refuse_large(shape: tuple[int, ...] | None, max_pixels: int) -> None:
    if shape is not None and prod(shape[:2]) > max_pixels:
        raise TooLargeError(f"more pixels than dataset.max_pixels = {max_pixels} ({' x '.join(map(str, shape[:2]))})")


def _digest(array: Array) -> str:
    digest = sha256(f"{array.shape} {array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
