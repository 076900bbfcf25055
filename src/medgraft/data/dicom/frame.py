"""A frame of a DICOM file as the content of a record."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgraft.data.content import Array, BadImageError, Loaded, TooLargeError
from medgraft.data.dicom.decoding import stored_values
from medgraft.data.dicom.gray import mapped, shown
from medgraft.data.dicom.header import Header, read_header
from medgraft.data.dicom.luts import Floats, Lut
from medgraft.data.dicom.syntaxes import ENCODED
from medgraft.data.dicom.windows import Asked

Stamp = tuple[int, int]


@dataclass(frozen=True)
class DicomFrame:
    """One frame (from 0) of a DICOM file, gray through `window` (CT) or the file's own."""

    path: Path
    frame: int = 0
    window: Asked | None = None

    def digest(self) -> str:
        """SHA-256 of the file, the number of the frame and the window."""
        with opened(self.path):
            whole = _digest(self.path, _stamp(self.path))
        return sha256(f"{whole} {self.frame} {self.window}".encode()).hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Decode the frame, and no other of the file, to uint8 [H, W, 1 or 3]; gray where all channels are equal."""
        with opened(self.path) as stream:
            header = _header(self.path, _stamp(self.path))
            size = header.rows * header.columns
            if size > max_pixels:
                raise TooLargeError(
                    f"more pixels than dataset.max_pixels = {max_pixels} ({header.columns} x {header.rows})"
                )
            if self.frame >= header.frames:
                raise BadImageError("truncated or damaged (fewer frames than it says)")
            return _loaded(stored_values(stream, header, self.frame), header, self.frame, self.window)

    def kept(self) -> None:
        """Nothing: no byte of a header, nor of what may stand before it, goes into a dataset."""


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file, to be read; raises `BadImageError` when it cannot be."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise BadImageError("file missing") from None
    except OSError as error:
        raise BadImageError(f"file cannot be read ({type(error).__name__})") from None
    with stream:
        yield stream


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


# The frames of a file come one after the other, some of them at once.
@lru_cache(maxsize=16)
def _header(path: Path, stamp: Stamp) -> Header:
    with path.open("rb") as stream:
        return read_header(stream)[0]


@lru_cache(maxsize=16)
def _digest(path: Path, stamp: Stamp) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _loaded(stored: Array, header: Header, frame: int, window: Asked | None) -> Loaded:
    changes = [f"decompressed {ENCODED[header.syntax]}"] if header.encoded else []
    if header.grays:
        pixels, done = shown(stored, header.gray(frame), window)
        array = pixels[:, :, None]
    else:
        if isinstance(window, str):
            raise BadImageError("no Hounsfield units for the window of the settings")
        array, done = _coloured(stored, header)
    mode = f"DICOM {header.photometric} {header.stored} bit"
    return Loaded(array, mode, (*changes, *done))


def _coloured(stored: Array, header: Header) -> tuple[NDArray[np.uint8], list[str]]:
    """RGB of 8 bits [H, W, 3], or gray [H, W, 1] where the three are equal everywhere."""
    done = []
    if header.palette is not None:
        rgb = np.stack([mapped(stored, partial(_shade, lut)) for lut in header.palette], axis=-1)
        done.append("colours of the palette")
    elif header.stored > 8:
        rgb = mapped(stored, lambda values: np.rint(values * (255 / (2**header.stored - 1))).astype(np.uint8))
        done.append(f"{header.stored} bits a channel scaled to 8")
    else:
        rgb = stored.astype(np.uint8)
    if header.photometric.startswith("YBR"):
        done.append("YBR to RGB")
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 0] == rgb[..., 2]).all():
        rgb = rgb[..., :1]
    return rgb, done


def _shade(lut: Lut, values: Floats) -> NDArray[np.uint8]:
    """The upper 8 bits: makers write white both as 0xFFFF and as 0xFF00."""
    return np.asarray(lut.of(values) // 2 ** (lut.bits - 8), np.uint8)
