"""Bytes of a container, unpacked once and read again in any order: on disk, so that memory stays flat."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import partial

from medgraft.errors import UserError


class Spill:
    """A nameless temporary file below `$TMPDIR` that is gone when nothing refers to it any more, also after a crash.

    Compressed containers (`.npz`, Parquet) can only be read forwards, and a dataset is packed in the order of its
    content hashes. One thread may append; any number may read what was appended.

    `expected`: how many bytes will come; raises `UserError` where there is less room.
    """

    def __init__(self, expected: int) -> None:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if expected > free:
            raise _no_room(f"{expected / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed when nothing refers to it)
        self._end = 0
        weakref.finalize(self, self._file.close)

    def append(self, raw: bytes | memoryview) -> Callable[[], bytes]:
        """Keep the bytes, and return what reads them back; raises `UserError` when the disk is full."""
        start = self._end
        while len(raw) > 0:
            try:
                written = self._file.write(raw) or 0
            except OSError as error:
                raise _no_room(str(error.strerror)) from error
            raw = raw[written:]
            self._end += written
        return partial(self.read, start, self._end - start)

    def read(self, start: int, length: int) -> bytes:
        """Bytes that were appended, by their place."""
        return os.pread(self._file.fileno(), length, start)


def _no_room(why: str) -> UserError:
    return UserError(
        f"no room to unpack the source ({why}); make room where temporary files go, or set TMPDIR to a folder with "
        "as much room as the unpacked source needs"
    )
