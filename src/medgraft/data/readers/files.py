"""Image files that rows of tables name: below the source, found with or without their folder."""

import os
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from medgraft.data.content import Content
from medgraft.data.images import ImageFile
from medgraft.data.volumes import NiftiFile
from medgraft.errors import UserError

OUTSIDE = "the path is empty or leads out of the source"
MISSING = "file missing"
AMBIGUOUS = "several files of the name that the row gives"
IRREGULAR = "not a regular file"
NO_TEXT = "a name that is no text"
VOLUMES = (".nii", ".nii.gz")

# A record's content, or None and the problem.
Located = tuple[Content | None, str | None]


def _relative(pattern: str) -> str:
    path = Path(pattern)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError("a folder must lie below the source")
    return pattern


# Settings: folders below the source, glob patterns among them.
Folder = Annotated[str, AfterValidator(_relative)]
Folders = Annotated[list[Folder], Field(min_length=1)]


def inside(source: Path, relative: str) -> Path | None:
    """A path below the source; None where it is empty or leads out, be it by a link."""
    path = source / relative.replace("\0", "")  # no file system has names with NUL
    real = os.path.join(_real(str(path.parent)), path.name)  # noqa: PTH118  (of pathlib, twice as slow a row)
    if path.name == ".." or os.path.islink(real):  # noqa: PTH114  (pathlib's fails for names that are too long)
        real = os.path.realpath(path)  # pathlib's `resolve` fails for loops of links
    root = _real(str(source)).rstrip("/")
    return path if relative and f"{real}/".startswith(f"{root}/") else None


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    """Where a folder lies: looked up once, for the files of a set lie in few."""
    return os.path.realpath(folder)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; file systems allow any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def located(path: Path | None) -> Located:
    """The content of a record whose row gives that path, from `inside`.

    A pipe is none, for reading it would wait forever; a file that is missing is told by reading it.
    """
    if path is None:
        return None, OUTSIDE
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116  (of pathlib, twice as slow a row)
    except OSError:
        regular = True
    if not regular:
        return None, IRREGULAR
    return NiftiFile(path) if path.name.lower().endswith(VOLUMES) else ImageFile(path), None


class ImageIndex:
    """The files of some folders by name, for tables that name a file without its folder.

    Every folder is walked once, and names count without upper and lower case, which the sets themselves mix up. A file
    that no row names is no record, and not counted as quarantined: a table with fewer rows is how one takes a part.
    """

    def __init__(self, source: Path, folders: Sequence[str]) -> None:
        """Walk the folders (glob patterns); raises `UserError` where the source has none of them."""
        self._found: dict[str, Path | str] = {}
        walked = folders_of(source, folders)
        if not walked:
            raise UserError(
                f"dataset.source has no folder {' or '.join(folders)}; unpack the images there, or name the folders "
                "they lie in in dataset.reader.images"
            )
        for folder in walked:
            for entry in os.scandir(folder):
                path, key, link = folder / entry.name, entry.name.casefold(), entry.is_symlink()
                if link and inside(source, str(path.relative_to(source))) is None:
                    self._found[key] = OUTSIDE
                elif not (path if link else entry).is_dir():  # an entry's fails for loops of links
                    self._found[key] = AMBIGUOUS if key in self._found else path

    def locate(self, name: str | None) -> Located:
        """The content of a record whose row gives that name of a file."""
        found = self._found.get(name.casefold(), MISSING) if name else OUTSIDE
        return located(found) if isinstance(found, Path) else (None, found)


def folders_of(source: Path, patterns: Sequence[str]) -> list[Path]:
    """The folders below the source that match the patterns, each once, pattern by pattern in the order of names."""
    found = [path for pattern in patterns for path in sorted(source.glob(pattern)) if path.is_dir()]
    return [path for path in dict.fromkeys(found) if inside(source, str(path.relative_to(source)))]
