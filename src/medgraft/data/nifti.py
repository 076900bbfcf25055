"""NIfTI bytes that nobody vouches for: the header is checked before voxels are read, and no more than it promises is.

NIfTI-1: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h, NIfTI-2: https://nifti.nimh.nih.gov/nifti-2.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import ArrayLike, NDArray

from medgraft.data.content import Array, BadImageError, TooLargeError
from medgraft.data.images import DAMAGE

KINDS = {348: Nifti1Header, 540: Nifti2Header}
PAIR, SINGLE = (b"ni1", b"ni2"), (b"n+1", b"n+2")
LONGEST_AXIS = 32_767  # what the header we write can say
LONGEST_HEADER = 64 * 2**20  # bytes before the voxels: extensions may be long, but are skipped
PIECE = 2**20
SMALLEST, LARGEST = 1e-6, 1e4  # mm a voxel: beyond electron microscopes, and beyond patients
Spacing = tuple[float, float, float]
Stream = BufferedReader | BytesIO | gzip.GzipFile
# Millimetres a unit, by the code in `xyzt_units`; unknown is taken as millimetres, as ITK does.
MILLIMETRES = {1: 1000.0, 3: 0.001}


@dataclass(frozen=True)
class Header:
    """What a NIfTI header says, checked.

    `dtype`: of the stored numbers; value = number · slope + intercept; `affine`: float64 [4, 4], voxel indices to
    places (RAS+), None where the header tells no orientation; `zooms`: millimetres a voxel along each axis; `offset`:
    bytes before the voxels; `in_millimetres`: whether the header counts in millimetres, too.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    slope: float
    intercept: float
    affine: NDArray[np.float64] | None
    zooms: Spacing
    offset: int
    in_millimetres: bool


def unpacked(stream: Stream) -> Stream:
    """The stream, decompressed as it is read when it is gzip, whatever its file is called."""
    with _damage("truncated or damaged"):
        gzipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
    return gzip.GzipFile(fileobj=stream) if gzipped else stream


def read_header(stream: Stream, max_pixels: int | None) -> Header:
    """Read the header and nothing behind it; raises `BadImageError` when no volume can follow."""
    with _damage("truncated or damaged"):
        start = stream.read(4)
    if not start:
        raise BadImageError("empty file")
    kind = KINDS.get(int.from_bytes(start, "little")) or KINDS.get(int.from_bytes(start, "big"))
    if kind is None or len(start) < 4:
        raise BadImageError("not a NIfTI file")
    with _damage("truncated or damaged"):
        block = start + _exactly(stream, kind.template_dtype.itemsize - 4)
    with _damage("damaged header"):
        found = kind(block, check=False)
        magic = found["magic"].item()[:3]
        if magic in PAIR:
            raise BadImageError("header and voxels in two files (.hdr and .img); join them into one .nii file")
        if magic not in SINGLE:
            raise BadImageError("not a NIfTI file")
        shape = _shape(found.get_data_shape(), max_pixels)
        dtype = _dtype(found)
        slope, intercept = found.get_slope_inter()
        offset = float(found["vox_offset"] or kind.single_vox_offset)  # 0: some writers leave it at its default
        if not kind.single_vox_offset <= offset <= LONGEST_HEADER or not offset.is_integer():
            raise BadImageError("damaged header (where the voxels begin)")
        scale = MILLIMETRES.get(int(found["xyzt_units"]) & 7, 1.0)
    affine, zooms = _geometry(found, scale)
    return Header(shape, dtype, slope or 1.0, intercept or 0.0, affine, zooms, int(offset), scale == 1)


def read_voxels(stream: Stream, header: Header) -> Array:
    """The stored numbers [X, Y, Z], stream standing where it stood; raises `BadImageError` unless all are there."""
    with _damage("truncated or damaged"):
        numbers = np.empty(math.prod(header.shape), header.dtype)
        _skip(stream, header.offset - stream.tell())
        _fill(stream, numbers.view(np.uint8).data)
        if stream.read(1):  # also makes gzip check its sum
            raise BadImageError("more data than the header promises")
    return numbers.reshape(header.shape, order="F")


def write_nifti(array: Array, spacing: Spacing) -> bytes:
    """uint8, int16 or float32 [X, Y, Z] → `.nii.gz`: axes along x, y and z in millimetres, and nothing else said.

    Same input, same bytes: no time, no name. Raises `ValueError` for what a NIfTI-1 header cannot say.
    """
    header = Nifti1Header(endianness="<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_zooms(spacing)
    header.set_sform(np.diag([*spacing, 1.0]), code="aligned")
    header.set_slope_inter(1.0, 0.0)
    header.set_xyzt_units("mm")
    header["vox_offset"] = Nifti1Header.single_vox_offset
    little = array.dtype.newbyteorder("<")
    buffer = BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=buffer, mtime=0) as stream:
        stream.write(header.binaryblock + bytes(4))
        for plane in np.moveaxis(array, 2, 0):
            stream.write(plane.astype(little, copy=False).tobytes("F"))
    return buffer.getvalue()


def _shape(dims: tuple[int, ...], max_pixels: int | None) -> tuple[int, int, int]:
    if len(dims) < 3:
        raise BadImageError("fewer than three dimensions")
    if min(dims) < 1:
        raise BadImageError("a dimension without voxels")
    if math.prod(dims[3:]) > 1:
        raise BadImageError(f"more than one volume ({math.prod(dims[3:])})")
    return fitting_shape(dims[:3], max_pixels)


def fitting_shape(dims: tuple[int, ...], max_pixels: int | None) -> tuple[int, int, int]:
    """The shape of a volume, unless that is too large."""
    size = " x ".join(str(n) for n in dims)
    if max_pixels is not None and math.prod(dims) > max_pixels:
        raise TooLargeError(f"more pixels than dataset.max_pixels = {max_pixels} ({size})")
    if max(dims) > LONGEST_AXIS:
        raise BadImageError(f"an axis of more than {LONGEST_AXIS} voxels ({size})")
    x, y, z = dims
    return x, y, z


def _dtype(found: Nifti1Header) -> np.dtype[Any]:
    dtype: np.dtype[Any] = found.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise BadImageError(f"voxels that are not single numbers of at most 64 bits ({dtype.name})")
    return dtype


@np.errstate(all="ignore")  # sizes beyond all numbers are refused below
def _geometry(found: Nifti1Header, scale: float) -> tuple[NDArray[np.float64] | None, Spacing]:
    """The affine that the header prefers (sform, then qform), and the size of a voxel along each of its axes."""
    # Files in use have a qfac of 0 and negative sizes; nibabel and the standard read them so.
    sizes = np.abs(found["pixdim"][1:4].astype(np.float64))
    found["pixdim"] = [1 if found["pixdim"][0] >= 0 else -1, *np.abs(found["pixdim"][1:])]
    affine: NDArray[np.float64] | None = None
    with _damage("wrong affine"):
        if int(found["sform_code"]) > 0:
            affine = found.get_sform()
        elif int(found["qform_code"]) > 0:
            affine = found.get_qform()
        if affine is not None:
            sizes = voxel_sizes(affine)
    x, y, z = single(sizes * scale)
    if not all(SMALLEST <= size <= LARGEST for size in (x, y, z)):  # written so that NaN fails, too
        raise BadImageError(f"wrong affine (voxels of {x:g} x {y:g} x {z:g} mm)")
    if affine is not None and not (np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-3):
        raise BadImageError("wrong affine (axes that lie in one plane, or not finite)")
    return affine, (x, y, z)


def single(spacing: ArrayLike) -> Spacing:
    """A spacing (three sizes in mm) as precise as the header that we write has it."""
    x, y, z = np.asarray(spacing, np.float32).tolist()
    return x, y, z


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except (*DAMAGE, zlib.error, HeaderDataError, WrapStructError) as error:
        raise BadImageError(f"{what} ({type(error).__name__})") from error


def _exactly(stream: Stream, length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise EOFError
    return found


def _skip(stream: Stream, length: int) -> None:
    while length > 0:
        length -= len(_exactly(stream, min(length, PIECE)))


def _fill(stream: Stream, target: memoryview) -> None:
    """Piece by piece: asked for all at once, gzip would hold the voxels twice."""
    for start in range(0, len(target), PIECE):
        piece = target[start : start + PIECE]
        piece[:] = _exactly(stream, len(piece))
