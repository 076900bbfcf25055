"""Hostile members of archives: names, kinds, and contents that are archives or bombs."""

import bz2
import io
import lzma
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from tests.data.archiving import Entry, Kind, make_tar, make_zip
from tests.data.containers import gzipped
from tests.data.hostile.making import Maker

ABSOLUTE, PARENT = "an absolute path", "a path that leads out of the source"
LINK, DEVICE = "a link", "a device or pipe, not a file"
UNSAFE, LONG, TWICE = "an unsafe name", "a name that is too long", "a name that an earlier member has"
NESTED, DAMAGED, METHOD = "an archive inside an archive", "damaged or truncated", "an unsupported compression"


@dataclass(frozen=True)
class HostileEntry:
    """An entry of an archive, and the reason to refuse it."""

    entry: Entry
    reason: str


def entries(seed: int) -> Iterator[HostileEntry]:
    """More than 150 of them, each with content that is a sound image where it is a file."""
    make = Maker(seed)
    for name, reason in _names():
        yield HostileEntry(Entry(name, make.encoded("PNG")), reason)
    kinds: dict[Kind, str] = {"symlink": LINK, "hardlink": LINK, "fifo": DEVICE, "device": DEVICE}
    for number in range(5):
        for kind, reason in kinds.items():
            yield HostileEntry(Entry(f"healthy/{kind}_{number}.png", b"../../etc/passwd", kind), reason)
    for number, content in enumerate(_archives(make)):
        for extension in ("png", "dcm", "nii.gz", "bin"):
            if extension != "nii.gz" or not content.startswith(b"\x1f\x8b"):
                yield HostileEntry(Entry(f"healthy/nested_{number}.{extension}", content), NESTED)
    for extension in ("zip", "tar", "tgz", "tar.gz", "gz", "bz2", "xz", "7z", "rar", "csv.gz", "ZIP", "tar.xz"):
        yield HostileEntry(Entry(f"healthy/named.{extension}", make.encoded("PNG")), NESTED)


def _names() -> Iterator[tuple[str, str]]:
    for depth in range(1, 8):
        yield "../" * depth + "evil.png", PARENT
        yield "healthy/" + "../" * depth + "evil.png", PARENT
        yield "/" * depth + "etc/evil.png", ABSOLUTE
    for name in ("../../../../etc/cron.d/evil", "healthy/..", "a/../../b.png", "healthy/./../../evil.png"):
        yield name, PARENT
    for name in ("/evil.png", "//server/share/evil.png"):
        yield name, ABSOLUTE
    for name in ("..\\evil.png", "healthy\\..\\evil.png", "C:\\evil.png", "C:evil.png", "z:/evil.png", "\\\\server\\x"):
        yield name, UNSAFE
    for code in (*range(0, 32, 3), 127, 133, 159):
        yield f"healthy/evil{chr(code)}.png", UNSAFE
    for name in ("x" * 256 + ".png", "healthy/" + "ü" * 128 + ".png", "/".join(["d"] * 33), "/".join(["d" * 200] * 6)):
        yield name, LONG
    for name in ("healthy/patient_000.png", "./healthy/patient_000.png", "healthy//patient_000.png", "healthy"):
        yield name, TWICE
    yield "healthy/patient_000.png/inside.png", TWICE


def _archives(make: Maker) -> Iterator[bytes]:
    raw = make.encoded("PNG")
    yield make_zip([Entry("a.png", raw)])
    yield make_zip([])
    yield make_zip([Entry("a.zip", make_zip([Entry("b.zip", make_zip([Entry("c.png", raw)]))]))], zipfile.ZIP_STORED)
    yield make_tar([Entry("a.png", raw)])
    yield gzipped(raw)
    yield gzipped(make_tar([Entry("a.png", raw)]))
    yield gzipped(bytes(10**7))
    yield bz2.compress(raw)
    yield lzma.compress(raw)
    yield b"7z\xbc\xaf\x27\x1c\0\4" + make.bytes(50)
    yield b"Rar!\x1a\x07\0" + make.bytes(50)
    yield b"Rar!\x1a\x07\1\0" + make.bytes(50)


def spoilt(seed: int) -> Iterator[tuple[bytes, str]]:
    """ZIPs with one member each that cannot be read, and the reason."""
    make = Maker(seed)

    def entry() -> Entry:
        return Entry(f"healthy/spoilt_{make.draw.randrange(10**9)}.png", make.encoded("PNG"))

    for _ in range(10):
        stored = bytearray(make_zip([entry()], zipfile.ZIP_STORED))
        stored[make.draw.randint(100, len(stored) - 200)] ^= 1
        yield bytes(stored), DAMAGED
    for field, value, reason in (
        (6, b"\1", "encrypted"),
        (6, b"\x41", "encrypted"),
        (8, b"\x09", METHOD),
        (8, b"\x63", METHOD),
        (14, b"\0\0\0\1", DAMAGED),
        (22, struct.pack("<I", 10), DAMAGED),
        (22, struct.pack("<I", 2**31), DAMAGED),
    ):
        yield _patched(make_zip([entry()]), field, value), reason
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield make_zip([entry()], method), METHOD


def _patched(raw: bytes, field: int, value: bytes) -> bytes:
    both = bytearray(raw)
    for start, shift in ((raw.index(b"PK\3\4"), 0), (raw.index(b"PK\1\2"), 2)):
        both[start + field + shift : start + field + shift + len(value)] = value
    return bytes(both)


def concatenated(zips: list[bytes]) -> bytes:
    """One ZIP with the members of all, taken over byte for byte, damage included."""
    locals_, directory, offset = io.BytesIO(), io.BytesIO(), 0
    count = 0
    for raw in zips:
        end = raw.rindex(b"PK\5\6")
        entries_, size, start = struct.unpack_from("<HII", raw, end + 10)
        locals_.write(raw[:start])
        position = start
        while position < start + size:
            lengths = struct.unpack_from("<HHH", raw, position + 28)
            length = 46 + sum(lengths)
            entry = bytearray(raw[position : position + length])
            (old,) = struct.unpack_from("<I", entry, 42)
            struct.pack_into("<I", entry, 42, old + offset)
            directory.write(entry)
            position += length
        offset += start
        count += entries_
    body, index = locals_.getvalue(), directory.getvalue()
    return body + index + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(index), len(body), 0)
