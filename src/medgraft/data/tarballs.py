"""The entries of a tar archive, one at a time, from front to back, in bounded memory.

A tar has no directory: behind a damaged place nobody knows what was there. So damage is a `UserError` here, where it is
the reason to refuse one member of a ZIP.
"""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Generator
from functools import partial
from io import BufferedReader, RawIOBase
from typing import IO, cast

from medgraft.data import members
from medgraft.data.members import Budget, Member
from medgraft.errors import UserError

BLOCK = 1 << 20
HEADER = 1 << 16  # bytes that one member's headers may take: tarfile reads them into memory, whatever they claim
GLOBALS = 1_000  # records that all later members inherit
XZ_MEMORY = 256 << 20  # `xz -9` needs 65 MB
# What the decompressors raise for damaged streams, and tarfile for headers that lie.
STREAM_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError)
TAR_DAMAGE = (tarfile.TarError, ValueError, OverflowError, RecursionError)


def damaged(what: str) -> UserError:
    """The error for an archive that cannot be read."""
    return UserError(
        f"the archive cannot be read: damaged, cut short or not what its name says ({what}); fetch or make it again"
    )


def tar_members(raw: IO[bytes], budget: Budget) -> Generator[Member]:
    """Each entry, to be read before the next one; raises `UserError` where the archive is damaged or ends early."""
    tape = _Tape(raw, budget)
    try:
        # `_Tape` has what tarfile calls of a file: read, seek and tell.
        with tarfile.open(fileobj=cast(IO[bytes], tape), mode="r:", tarinfo=_Header, encoding="utf-8") as archive:
            while (info := _next(archive, tape)) is not None:
                tape.header_left = None
                yield Member(info.name, info.isdir(), info.size, _problem(info), partial(_open, archive, info), ())
        tape.expect_end()
    except TAR_DAMAGE as error:
        raise damaged(type(error).__name__) from error


def _next(archive: tarfile.TarFile, tape: "_Tape") -> tarfile.TarInfo | None:
    tape.header_left = HEADER
    info = archive.next()
    archive.members.clear()  # type: ignore[attr-defined]  # not in its stubs; tarfile keeps all it has seen there
    if info is not None and (info.size < 0 or archive.offset < tape.tell()):
        raise damaged("a member of negative size")
    if len(archive.pax_headers) > GLOBALS:
        raise damaged("too many global headers")
    return info


def _problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return members.LINK
    if info.isdir():
        return None
    if not info.isreg():
        return members.DEVICE
    return f"{members.METHOD} (a sparse file)" if info.issparse() else None


def _open(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    assert stream is not None  # it is a regular file
    return stream


class _Header(tarfile.TarInfo):
    """A header; tarfile would take a damaged one for the end of the archive, and lose what follows without a word."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in its stubs
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Tape:
    """A decompressed stream that tarfile reads forwards; `header_left` bounds what it may read as headers."""

    def __init__(self, raw: IO[bytes], budget: Budget) -> None:
        self.stream = _decompressed(raw)
        self.plain = self.stream is raw
        self.budget = budget
        self.position = 0
        self.header_left: int | None = HEADER

    def tell(self) -> int:
        return self.position

    def read(self, size: int) -> bytes:
        if self.header_left is not None:
            self.header_left -= size
            if size < 0 or self.header_left < 0:
                raise damaged("a header of more than 64 KiB")
        data = self._read(size)
        if len(data) < size:
            raise damaged("its end is missing")
        return data

    def seek(self, position: int) -> None:
        """Skip forwards in blocks that are counted: decompressors would do it at any length."""
        if self.plain:
            self.position = self.stream.seek(position)
            return
        while (gap := position - self.position) > 0:
            skipped = len(self._read(min(gap, BLOCK)))
            self.budget.take(skipped)
            if skipped == 0:
                raise damaged("its end is missing")

    def expect_end(self) -> None:
        """Nothing but zeros follow the end mark; reading them also makes decompressors check their checksums."""
        while block := self._read(BLOCK):
            self.budget.take(len(block))
            if block.strip(b"\0"):
                raise damaged("more follows its end mark")

    def _read(self, size: int) -> bytes:
        try:
            data = self.stream.read(size)
        except STREAM_DAMAGE as error:
            raise damaged(type(error).__name__) from error
        self.position += len(data)
        return data


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if head.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if head.startswith(b"\xfd7zXZ\0"):
        return BufferedReader(_Unxz(raw), BLOCK)
    return raw


class _Unxz(RawIOBase):
    """lzma.LZMAFile with a limit on memory: an xz header may ask for gigabytes."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.compressed = raw
        self.decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives a memoryview
        data = b""
        while not data:
            if self.decompressor.eof:
                rest = self.decompressor.unused_data.lstrip(b"\0") or self.compressed.read(BLOCK).lstrip(b"\0")
                if not rest:
                    return 0
                self.decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
            else:
                rest = self.compressed.read(BLOCK) if self.decompressor.needs_input else b""
                if self.decompressor.needs_input and not rest:
                    raise EOFError("an xz stream without its end")
            data = self.decompressor.decompress(rest, max_length=len(buffer))
        buffer[: len(data)] = data
        return len(data)
