"""Volumes: NIfTI in any orientation and of any kind of number → uint8, int16 or float32 [X, Y, Z], RAS+, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from io import BufferedReader, BytesIO
from math import floor
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from medgraft.data.content import Array, BadImageError, Loaded
from medgraft.data.nifti import (
    Header,
    Spacing,
    Stream,
    fitting_shape,
    read_header,
    read_voxels,
    single,
    unpacked,
    write_nifti,
)

EXACT = 2.0**53
FINITE = float(np.finfo(np.float32).max)
OBLIQUE = 0.01  # cosine between an axis and a plane it should lie in: about half a degree


@dataclass(frozen=True)
class NiftiFile:
    """A NIfTI volume on disk, gzipped or not, whatever it is called; resampled to `spacing` (mm) where one is asked."""

    path: Path
    spacing: Spacing | None = None

    def digest(self) -> str:
        """SHA-256 of the file."""
        with _opened(self.path) as stream:
            return file_digest(stream, "sha256").hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Read the file whole, its header first."""
        with _opened(self.path) as stream:
            return _load(stream, max_pixels, self.spacing)

    def kept(self) -> tuple[bytes, str] | None:
        """Nothing: headers hold names and free text, so that volumes are always written anew."""
        return None


@dataclass(frozen=True)
class NiftiBytes:
    """A NIfTI volume inside a container; `read` gives its bytes and may raise `BadImageError`."""

    read: Callable[[], bytes]
    spacing: Spacing | None = None

    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return sha256(self.read()).hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Read them whole, the header first."""
        return _load(BytesIO(self.read()), max_pixels, self.spacing)

    def kept(self) -> tuple[bytes, str] | None:
        """Nothing: as for files."""
        return None


def encode_nifti(array: Array, spacing: Spacing) -> bytes:
    """uint8, int16 or float32 [X, Y, Z], RAS+, and millimetres a voxel → the bytes of a `.nii.gz` file.

    Same input, same bytes; `decode_nifti` gives the same array and the spacing as float32 has it.
    """
    return write_nifti(array, spacing)


def decode_nifti(raw: bytes, max_pixels: int | None = None) -> tuple[Array, Spacing]:
    """NIfTI bytes → uint8, int16 or float32 [X, Y, Z], RAS+, and millimetres a voxel; raises `BadImageError`.

    Give `max_pixels` for bytes that come from elsewhere.
    """
    loaded = _load(BytesIO(raw), max_pixels, None)
    assert loaded.spacing is not None
    return loaded.array, loaded.spacing


def settled(numbers: Array, slope: float = 1.0, intercept: float = 0.0) -> Array:
    """Values number · slope + intercept as uint8, int16 or float32, the axes as they are, contiguous.

    uint8 stays uint8 unless it is rescaled; whole numbers become int16 where all of them fit; all else is float32.
    Raises `BadImageError` when a value is not finite, as float32.
    """
    ends = [float(end) * slope + intercept for end in (numbers.min(), numbers.max())]
    if not all(abs(end) <= FINITE for end in ends):  # written so that NaN fails, too
        raise BadImageError("values that are not finite")
    plain = (slope, intercept) == (1, 0)
    whole = numbers.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer()
    whole = whole and max(abs(ends[0]), abs(ends[1]), abs(intercept)) < EXACT
    if plain and numbers.dtype == np.uint8:
        kind: type[np.uint8] | type[np.int16] | type[np.float32] = np.uint8
    elif whole and min(ends) >= -(2**15) and max(ends) < 2**15:
        kind = np.int16
    else:
        kind = np.float32
    values = np.empty(numbers.shape, kind)
    for target, plane in zip(values, numbers, strict=True):  # plane by plane: float64 of a whole volume is large
        target[:] = plane if plain else plane.astype(np.float64) * slope + intercept
    return values


def resampled(array: Array, spacing: Spacing, wanted: Spacing, max_pixels: int | None) -> Array:
    """The volume at another spacing (mm), linearly interpolated between the centres of voxels.

    round(n · old / new) voxels along each axis, at least one, halves rounded up, about the same centre, so that a
    mirrored volume gives the mirrored result; beyond the outermost centres the outermost values hold. Kinds of
    numbers stay, rounded where they are whole. No smoothing before thinning out, as in MONAI's `Spacing`.
    """
    shape = fitting_shape(
        tuple(max(1, floor(n * old / new + 0.5)) for n, old, new in zip(array.shape, spacing, wanted, strict=True)),
        max_pixels,
    )
    step = np.array(wanted) / np.array(spacing)
    offset = (np.array(array.shape) - 1) / 2 - (np.array(shape) - 1) / 2 * step
    result: Array = affine_transform(array, step, offset, shape, order=1, mode="nearest", output=array.dtype)
    return result


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        raise BadImageError("file missing") from error
    except OSError as error:
        raise BadImageError(f"file cannot be read ({type(error).__name__})") from error


def _load(stream: Stream, max_pixels: int | None, wanted: Spacing | None) -> Loaded:
    stream = unpacked(stream)
    header = read_header(stream, max_pixels)
    numbers, spacing, turned = _canonical(read_voxels(stream, header), header)
    array = settled(numbers, header.slope, header.intercept)
    changes = [*_changes(header, array.dtype), *turned]
    del numbers
    if wanted is not None and single(wanted) != spacing:
        array = resampled(array, spacing, wanted, max_pixels)
        spacing = single(wanted)
        changes.append("resampled to dataset.reader.spacing")
    return Loaded(array, f"NIfTI {header.dtype.name}", tuple(changes), spacing)


def _canonical(numbers: Array, header: Header) -> tuple[Array, Spacing, list[str]]:
    """Axes permuted and flipped so that they point most nearly right, front and up, as `nibabel.as_closest_canonical`.

    Without an orientation in the header they stay: nibabel would mirror them, as Analyze's old convention has it.
    """
    if header.affine is None:
        return numbers, header.zooms, ["no orientation in the header, axes taken as RAS+"]
    turn: NDArray[np.float64] = io_orientation(header.affine)
    sizes = dict(zip(turn[:, 0].astype(int).tolist(), header.zooms, strict=True))
    changes = [] if np.array_equal(turn, [[0, 1], [1, 1], [2, 1]]) else ["axes turned to RAS+"]
    cosines = np.sort(np.abs(header.affine[:3, :3]) / np.linalg.norm(header.affine[:3, :3], axis=0), axis=0)
    if cosines[1].max() > OBLIQUE:
        changes.append("oblique axes taken as straight")
    return apply_orientation(numbers, turn), (sizes[0], sizes[1], sizes[2]), changes


def _changes(header: Header, kept: np.dtype[np.generic]) -> Iterator[str]:
    if (header.slope, header.intercept) != (1, 0):
        yield "values rescaled as the header says"
    if header.dtype.name != kept.name:
        yield f"{header.dtype.name} stored as {kept.name}"
    if not header.in_millimetres:
        yield "spacing converted to millimetres"
