"""Archives as tests need them: made entry by entry, with everything that tools would refuse to write."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.data.sources import encoded, noise

from medgraft.data.archives import unpack
from medgraft.data.members import CAPS, Caps, Tally

Kind = Literal["file", "folder", "symlink", "hardlink", "fifo", "device"]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "x.tar": lambda raw: raw,
    "x.tar.gz": gzip.compress,
    "x.tar.bz2": bz2.compress,
    "x.tar.xz": lzma.compress,
}
ZIP_MODES = {
    "file": stat.S_IFREG,
    "folder": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "hardlink": stat.S_IFLNK,
    "fifo": stat.S_IFIFO,
    "device": stat.S_IFCHR,
}
TAR_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}


@dataclass(frozen=True)
class Entry:
    """What an archive holds at one place."""

    name: str
    content: bytes = b""
    kind: Kind = "file"


def make_archive(name: str, entries: Sequence[Entry]) -> bytes:
    """The entries as the kind of archive that `name` ends with."""
    return make_zip(entries) if name.endswith(".zip") else COMPRESS[name](make_tar(entries))


def make_zip(entries: Sequence[Entry], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP; hard links are written as symbolic ones, since ZIP has none."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for entry in entries:
            info = zipfile.ZipInfo("x")
            info.filename = entry.name + ("/" if entry.kind == "folder" and not entry.name.endswith("/") else "")
            info.compress_type = method
            info.external_attr = (ZIP_MODES[entry.kind] | 0o6777) << 16
            archive.writestr(info, entry.content)
    return buffer.getvalue()


def make_tar(entries: Sequence[Entry]) -> bytes:
    """An uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.mode, info.linkname = TAR_TYPES[entry.kind], 0o6777, "/etc/passwd"
            content = entry.content if entry.kind == "file" else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def unpacked(raw: bytes, folder: Path, name: str = "x.zip", caps: Caps = CAPS) -> Tally:
    """Write the archive into a folder, and unpack it into `out` there."""
    (folder / "out").mkdir()
    (folder / name).write_bytes(raw)
    return unpack(folder / name, folder / "out", caps)


def files_below(folder: Path) -> dict[str, bytes]:
    """The content of every file, by its path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


NAMES = ("x.zip", *COMPRESS)
PNG = encoded(noise(1))
GOOD = [
    Entry("folder", kind="folder"),
    Entry("good.png", PNG),
    Entry("./folder/scan.nii.gz", gzip.compress(bytes(1000))),
    Entry("folder//arrays.npz", make_zip([Entry("a.npy", b"b")])),
    Entry("folder/truncated.nii.gz", b"no gzip"),
    Entry("GOOD.PNG", PNG),
    Entry("empty.png"),
]
