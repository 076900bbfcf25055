"""Arrays inside HDF5 files that nobody vouches for."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from medgraft.errors import UserError

UNREADABLE = (OSError, LookupError, RuntimeError, ValueError, TypeError)  # what h5py raises for damaged files
LARGEST = 2**26  # bytes of a piece that is read at once; a file that promises more would fill memory


class Hdf5Array:
    """One array of a file, open until nothing refers to it any more; HDF5 lets one thread read at a time.

    `shape` and `dtype` are the array's. Raises `UserError` when the file is none, is damaged, or holds no such array
    of its own: links and outside storage would let a file hand out other files of this machine.
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            file = h5py.File(path, "r", rdcc_nbytes=LARGEST, locking=False)
            array: Any = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
            if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
                raise TypeError(name)
            self._array = array
            self.shape: tuple[int, ...] = array.shape or ()
            self.dtype: np.dtype[Any] = array.dtype
            chunk = int(np.prod(array.chunks or (1,), dtype=np.float64)) * array.dtype.itemsize
        except UNREADABLE as error:
            raise UserError(
                f"{path.name} is no whole HDF5 file with an array '{name}' ({type(error).__name__}); get it again"
            ) from error
        if chunk > LARGEST:
            raise UserError(f"{path.name} is in pieces of {chunk} bytes, more than {LARGEST}; rewrite it with h5repack")

    def row(self, index: int) -> np.ndarray[Any, np.dtype[Any]]:
        """One row (along the first axis); raises one of `UNREADABLE` when it is damaged."""
        return np.asarray(self._array[index])

    def whole(self) -> np.ndarray[Any, np.dtype[Any]]:
        """All values, of an array of at most `LARGEST` bytes; raises as `row` does, `ValueError` if it is larger."""
        if self._array.nbytes > LARGEST:
            raise ValueError("too large to be read whole")
        return np.asarray(self._array[()])
