"""The one place that unpacks archives. It trusts nothing that an archive says about itself.

Every entry is written below one folder, or refused with a reason; contents are counted as they come out, never by what
a header claims. What makes the archive itself unreadable, or too much for this disk, is a `UserError`.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from functools import partial
from io import SEEK_END, BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from typing import IO

from medgraft.data import members
from medgraft.data.members import CAPS, Budget, Caps, Member, Names, RefusedError, Tally
from medgraft.data.tarballs import damaged, tar_members

BLOCK = 1 << 20
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others in steps of unbounded size
ENCRYPTED, PATCHED = 0x1 | 0x40 | 0x2000, 0x20  # flags: PKWARE APPNOTE 4.4.4
ENTRY = b"PK\x01\x02"  # what each entry of a ZIP's directory begins with; APPNOTE 4.3.12
END_BYTES = 76 + 22 + 65_535  # ZIP64 record and locator, end record, comment
DIRECTORY_BYTES = 512  # of the directory, for each member that the caps allow
# zipfile's own, and what its parsing of lying headers runs into.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, OverflowError)


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive that `unpack` reads."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, out: Path, caps: Caps = CAPS) -> Tally:
    """Write the members of a `.zip` or a `.tar` (plain, gzip, bzip2, xz) below `out`, an existing empty folder.

    Raises `UserError` when the archive cannot be read, or passes a cap for the whole of it.
    """
    names, budget = Names(), Budget(caps, out, archive.stat().st_size)
    refused: list[tuple[str, str]] = []
    written = junk = 0
    with _Guarded(FileIO(archive), caps) as raw, closing(_entries(raw, archive.name, budget)) as entries:
        for number, member in enumerate(entries, start=1):
            members.refuse_many(number, caps)
            if members.is_junk(member.name):
                junk += 1
                continue
            try:
                if member.problem:
                    raise RefusedError(member.problem)
                path = names.claim(member.name, member.folder)
                if member.folder:
                    (out / path).mkdir(parents=True, exist_ok=True)
                else:
                    _write(member, path, out / path, raw, budget)
                written += 1
            except RefusedError as reason:
                refused.append((f"archive member {number}", str(reason)))
    return Tally(written, refused, junk)


def check_archive(archive: Path) -> None:
    """Raise `UserError` when the archive cannot be opened: its directory (ZIP), or its first header (tar)."""
    caps = CAPS
    with _Guarded(FileIO(archive), caps) as raw:
        budget = Budget(caps, archive.parent, archive.stat().st_size)
        with closing(_entries(raw, archive.name, budget)) as entries:
            next(entries, None)


def _entries(raw: BufferedReader, name: str, budget: Budget) -> Generator[Member]:
    return _zip_members(raw, budget) if name.lower().endswith(".zip") else tar_members(raw, budget)


def _write(member: Member, path: PurePosixPath, target: Path, raw: IO[bytes], budget: Budget) -> None:
    """Write one file; raises `RefusedError`, and leaves nothing, as soon as it proves to be none that may be kept."""
    members.refuse_nested(path, b"")
    target.parent.mkdir(parents=True, exist_ok=True)
    caps, count = budget.caps, 0
    try:
        with _opened(member) as stream, target.open("xb") as file:
            start = raw.tell()
            while block := _read(stream, member):
                if count == 0:
                    members.refuse_nested(path, block)
                count += len(block)
                if count > caps.member:
                    raise RefusedError(f"{members.SIZE} ({caps.member:,} bytes)")
                if count > caps.small and count > caps.ratio * (raw.tell() - start):
                    raise RefusedError(f"{members.RATIO} (more than {caps.ratio} to 1)")
                budget.take(len(block))
                file.write(block)
        if count != member.size:
            raise RefusedError(f"{members.DAMAGED} (shorter than its header says)")
    except RefusedError:
        target.unlink(missing_ok=True)
        raise


def _opened(member: Member) -> IO[bytes]:
    try:
        return member.open()
    except member.damage as error:
        raise RefusedError(f"{members.DAMAGED} ({type(error).__name__})") from error


def _read(stream: IO[bytes], member: Member) -> bytes:
    try:
        return stream.read(BLOCK)
    except member.damage as error:
        raise RefusedError(f"{members.DAMAGED} ({type(error).__name__})") from error


class _Guarded(BufferedReader):
    """A file of which no more is read at once than a ZIP's directory within the caps is long.

    zipfile reads the whole directory into memory, and makes an object of each entry.
    """

    def __init__(self, raw: FileIO, caps: Caps) -> None:
        super().__init__(raw)
        self.caps = caps

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > BLOCK:
            members.refuse_many(size // DIRECTORY_BYTES, self.caps)
        data = super().read(size)
        if len(data) > BLOCK:
            members.refuse_many(data.count(ENTRY), self.caps)
        return data


def _zip_members(raw: IO[bytes], budget: Budget) -> Generator[Member]:
    try:
        archive = zipfile.ZipFile(raw)
    except ZIP_DAMAGE as error:
        raise damaged(type(error).__name__) from error
    with archive:
        entries = archive.infolist()
        members.refuse_many(len(entries), budget.caps)
        if (len(entries) - _stated(raw)) % 2**16:  # zipfile passes over what a damaged length field swallows
            raise damaged("another number of members than it states")
        claimed = sum(info.file_size for info in entries if info.file_size <= budget.caps.member)
        members.refuse_total(claimed, budget.caps)  # so that a sound archive that is too large ends before it is begun
        members.refuse_full(claimed, budget.folder, budget.caps)
        for info in entries:
            name = info.orig_filename  # `filename` is cut at the first NUL
            folder = name.endswith("/")
            opens = partial(archive.open, info)
            yield Member(name, folder, info.file_size, _zip_problem(info, folder), opens, ZIP_DAMAGE)


def _stated(raw: IO[bytes]) -> int:
    """How many entries the end of a ZIP's directory states; some tools write the count modulo 2^16 (APPNOTE 4.3.14)."""
    raw.seek(0, SEEK_END)
    raw.seek(max(0, raw.tell() - END_BYTES))
    tail = raw.read(END_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    (count,) = struct.unpack_from("<H", tail, at + 10)
    if tail[max(0, at - 76) :].startswith(b"PK\x06\x06"):  # the ZIP64 record, before its 20 bytes of locator
        (count,) = struct.unpack_from("<Q", tail, at - 76 + 32)
    return int(count)


def _zip_problem(info: zipfile.ZipInfo, folder: bool) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return members.LINK
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return members.DEVICE
    if info.flag_bits & ENCRYPTED:
        return members.ENCRYPTED
    if info.compress_type not in ZIP_METHODS or info.flag_bits & PATCHED:
        return f"{members.METHOD} (ZIP method {info.compress_type})"
    if folder and info.file_size:
        return f"{members.DAMAGED} (a folder with content)"
    return None
