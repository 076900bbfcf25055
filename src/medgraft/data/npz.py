"""Arrays inside `.npz` files, read forwards, a row at a time: numpy would hold them whole, and cannot map them."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from medgraft.data.images import DAMAGE
from medgraft.errors import UserError


@dataclass(frozen=True)
class Member:
    """One array of an `.npz` file: what its header says, and where its values are."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row(self) -> int:
        """Bytes of one row."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def rows(self) -> Iterator[bytes]:
        """The bytes of each row (along the first axis), in order; raises `UserError` when the file is damaged."""
        with _reading(), zipfile.ZipFile(self.path) as archive, archive.open(f"{self.name}.npy") as stream:
            _header(stream)
            for _ in range(self.shape[0]):
                row = stream.read(self.row)
                if len(row) < self.row:
                    raise EOFError
                yield row
            stream.read(1)  # at its end, the archive checks its sum

    def whole(self) -> np.ndarray[Any, np.dtype[Any]]:
        """All values; for small arrays."""
        return np.frombuffer(b"".join(self.rows()), self.dtype).reshape(self.shape)


def members(path: Path) -> dict[str, Member]:
    """The arrays of an `.npz` file by name, only their headers read.

    Raises `UserError` for a file that is none, for pickled objects (never loaded: unpickling runs programs), for
    arrays without rows, and for arrays in Fortran's order, whose rows are not in one piece.
    """
    with _reading(), zipfile.ZipFile(path) as archive:
        return {member.name: member for member in (_member(path, archive, info) for info in archive.infolist())}


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    name = info.filename.removesuffix(".npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # zipfile unpacks the others in one go
        raise UserError(f"'{name}' in the .npz file is packed as numpy never does; save it by numpy.savez_compressed")
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        promised = stream.tell() + prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise UserError(f"'{name}' in the .npz file holds pickled objects, which are never loaded; save it as numbers")
    if min(shape, default=0) < 1:
        raise UserError(f"'{name}' in the .npz file is {list(shape)}, without rows; get the file again")
    if fortran and len(shape) > 1:
        raise UserError(f"'{name}' in the .npz file is in Fortran's order; save it after numpy.ascontiguousarray")
    if promised != info.file_size:
        raise UserError(f"'{name}' in the .npz file is not as long as its header says; get the file again")
    return Member(path, name, shape, dtype)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version}")
    shape, fortran, dtype = readers[version](stream)
    return shape, fortran, dtype


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError("dataset.source has no such .npz file; correct it, or dataset.reader.file") from error
    except (*DAMAGE, zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # RuntimeError: encrypted, unsupported
        raise UserError(
            f"the source is not a whole .npz file of arrays ({type(error).__name__}); "
            "get it again, or save it by numpy.savez"
        ) from error
