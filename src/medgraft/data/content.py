"""Where one image of a source lies, and how it is read: a file, an array inside a container, a frame, a volume."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

# What comes out of decoders: uint8 [H, W, 1 or 3]; uint16 [H, W, 1] with more than 8 bits; a volume is uint8, int16
# or float32 [X, Y, Z], in the order of NIfTI.
Array = NDArray[Any]


class BadImageError(Exception):
    """An image that must not enter a dataset; the message is the reason for its quarantine."""


class TooLargeError(BadImageError):
    """An image with more pixels, or a file with more bytes, than was allowed; told before anything is decoded."""


@dataclass(frozen=True)
class Loaded:
    """An image, decoded whole: its array, what kind of file it was, and what was done to it on the way in.

    `spacing`: millimetres a voxel along each axis of a volume; None for images, which is what tells them apart.
    """

    array: Array
    mode: str
    changes: tuple[str, ...] = ()
    spacing: tuple[float, float, float] | None = None


class Content(Protocol):
    """One image of a source, not read yet. Readers make these; they open nothing."""

    def digest(self) -> str:
        """SHA-256 (hex) of the bytes that decide the image, without decoding it; raises `BadImageError`."""
        ...

    def load(self, max_pixels: int) -> Loaded:
        """Decode it; raises `BadImageError` with the reason when it cannot be used, before decoding if too large."""
        ...

    def kept(self) -> tuple[bytes, str] | None:
        """The file's own compressed bytes without metadata, and their extension, where these may be stored; else None.

        They must show exactly what `load` gives.
        """
        ...
