"""What an archive or a bucket may put on this disk: names that stay below one folder, files of bounded size."""

import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from medgraft.errors import UserError

ABSOLUTE = "an absolute path"
PARENT = "a path that leads out of the source"
LINK = "a link"
DEVICE = "a device or pipe, not a file"
NAME = "an unsafe name"
LONG = "a name that is too long"
DUPLICATE = "a name that an earlier member has"
NESTED = "an archive inside an archive"
ENCRYPTED = "encrypted"
METHOD = "an unsupported compression"
SIZE = "larger than one member may be"
RATIO = "compressed so much that it may be a bomb"
DAMAGED = "damaged or truncated"

LONGEST_PART, LONGEST_PATH, DEEPEST = 255, 1024, 32  # bytes, bytes, folders
# What macOS and Windows leave in every folder and archive.
JUNK = re.compile(r"(^|/)(__MACOSX(/|$)|\._|(\.DS_Store|Thumbs\.db|desktop\.ini)$)")
# `.nii.gz` and `.npz` are formats of one image or array file, though made of gzip and ZIP.
FORMATS_OF_DATA = {".nii.gz": b"\x1f\x8b", ".npz": b"PK"}
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
# https://en.wikipedia.org/wiki/List_of_file_signatures; tar has its own at byte 257 (POSIX 1003.1, ustar).
ARCHIVE_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf'\x1c", b"Rar!\x1a\x07")
TAR_MAGIC = (257, b"ustar")


class RefusedError(Exception):
    """A member that must not be written; the message is the reason."""


@dataclass(frozen=True)
class Caps:
    """How much one source may write.

    `total` and `member`: bytes; `ratio`: bytes out for each compressed byte in, for what is larger than `small` bytes;
    `reserve`: bytes of the disk that are left free.
    """

    members: int = 1_000_000
    total: int = 200_000_000_000
    member: int = 50_000_000_000
    ratio: int = 200
    small: int = 100_000_000
    reserve: int = 1_000_000_000


CAPS = Caps()


@dataclass(frozen=True)
class Tally:
    """What became of a source's entries: files and folders written, entries refused, entries that are junk.

    `refused` holds ("archive member 17", reason): the place in the source, never the name. `junk` counts what operating
    systems leave behind (`__MACOSX/`, `.DS_Store`, `Thumbs.db`); it is neither written nor refused.
    """

    written: int
    refused: list[tuple[str, str]]
    junk: int

    @property
    def members(self) -> int:
        """All entries."""
        return self.written + len(self.refused) + self.junk


@dataclass(frozen=True)
class Member:
    """An entry of an archive, not read yet; what its header says is a claim.

    `problem`: why the header alone refuses it; `damage`: what reading it raises where it alone is damaged.
    """

    name: str
    folder: bool
    size: int
    problem: str | None
    open: Callable[[], IO[bytes]]
    damage: tuple[type[Exception], ...]


@dataclass
class Names:
    """The names that one source has given so far; none is given twice, and no file is a folder as well."""

    files: set[PurePosixPath] = field(default_factory=set)
    folders: set[PurePosixPath] = field(default_factory=set)

    def claim(self, name: str, folder: bool = False) -> PurePosixPath:
        """The relative path a name means; raises `RefusedError` where no file or folder may have it."""
        path = safe_path(name)
        if not folder and not path.parts:
            raise RefusedError(f"{NAME} (empty)")
        if path in self.files or (not folder and path in self.folders) or not self.files.isdisjoint(path.parents):
            raise RefusedError(DUPLICATE)
        self.folders.update(path.parents)
        (self.folders if folder else self.files).add(path)
        return path


def safe_path(name: str) -> PurePosixPath:
    """The relative path that a name in an archive or bucket means; raises `RefusedError` for one that is not safe.

    Unsafe are absolute and parent paths, control characters, bytes that are no text, backslashes and drive letters
    (separators elsewhere), and names that no file system takes.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise RefusedError(f"{NAME} (control characters, or bytes that are no text)")
    if "\\" in name or re.match("[A-Za-z]:", name):
        raise RefusedError(f"{NAME} (backslash or drive letter)")
    if name.startswith("/"):
        raise RefusedError(ABSOLUTE)
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise RefusedError(PARENT)
    lengths = [len(part.encode()) for part in path.parts]
    if max(lengths, default=0) > LONGEST_PART or sum(lengths) > LONGEST_PATH or len(lengths) > DEEPEST:
        raise RefusedError(LONG)
    return path


def is_junk(name: str) -> bool:
    """Whether an operating system put this there, e.g. `__MACOSX/`, `.DS_Store`, `Thumbs.db`."""
    return JUNK.search(name) is not None


def refuse_nested(path: PurePosixPath, head: bytes) -> None:
    """Raise `RefusedError` where the name or the first bytes (512 are enough) are those of an archive."""
    name = path.name.lower()
    own = next((magic for suffix, magic in FORMATS_OF_DATA.items() if name.endswith(suffix)), None)
    if own is None and name.endswith(ARCHIVE_SUFFIXES):
        raise RefusedError(NESTED)
    start, tar = TAR_MAGIC
    if (head.startswith(ARCHIVE_MAGIC) or head[start:].startswith(tar)) and not (own and head.startswith(own)):
        raise RefusedError(NESTED)


@dataclass
class Budget:
    """Counts what comes out of a source of `size` bytes, whatever its headers say, and ends it at the caps."""

    caps: Caps
    folder: Path
    size: int
    spent: int = 0

    def take(self, count: int) -> None:
        """Count bytes that came out; raises `UserError` naming the cap that they pass."""
        self.spent += count
        refuse_total(self.spent, self.caps)
        if self.spent > self.caps.small + self.caps.ratio * self.size:
            raise UserError(
                f"the archive unpacks to more than {self.caps.ratio} times its size, as bombs do; if it is sound, "
                "unpack it yourself and let dataset.source name the folder"
            )
        refuse_full(0, self.folder, self.caps)


def refuse_total(count: int, caps: Caps) -> None:
    """Raise `UserError` where `count` bytes are more than a source may write."""
    if count > caps.total:
        raise UserError(
            f"the source holds more than {caps.total:,} bytes, the cap for archives and remote sources; unpack or copy "
            "it yourself and let dataset.source name the folder"
        )


def refuse_full(count: int, folder: Path, caps: Caps) -> None:
    """Raise `UserError` where `count` more bytes leave too little of the disk free."""
    free = shutil.disk_usage(folder).free - caps.reserve
    if count > free:
        raise UserError(
            f"the source needs {count:,} bytes, but {max(free, 0):,} may be written to the disk of its copy "
            f"({caps.reserve:,} are left free); make room, or work on a larger disk"
        )


def refuse_many(count: int, caps: Caps) -> None:
    """Raise `UserError` where a source has more members than the cap."""
    if count > caps.members:
        raise UserError(
            f"the source has more than {caps.members:,} members, the cap for archives and remote sources; unpack or "
            "copy it yourself and let dataset.source name the folder"
        )


def states(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, size in bytes and time of change (ns) of everything below a folder that is not a folder.

    A link counts as itself, so that nothing another process plants is taken for a file that was written here.
    """
    for parent, folders, names in os.walk(folder):
        for name in names + [name for name in folders if Path(parent, name).is_symlink()]:
            path = Path(parent, name)
            state = path.lstat()
            regular = stat.S_ISREG(state.st_mode)
            yield path.relative_to(folder).as_posix(), (state.st_size if regular else -1, state.st_mtime_ns)
