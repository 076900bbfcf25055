"""Whatever an archive says, nothing is written outside its folder, nothing vanishes uncounted, nothing runs away."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.archiving import (
    COMPRESS,
    GOOD,
    NAMES,
    PNG,
    Entry,
    files_below,
    make_archive,
    make_tar,
    make_zip,
    unpacked,
)

from medgraft.data.members import CAPS, Caps
from medgraft.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's, while it writes what we want refused
TINY = replace(CAPS, small=1000, ratio=10)


CASES = [
    (Entry("/etc/passwd", PNG), "an absolute path"),
    (Entry("../evil.png", PNG), "a path that leads out of the source"),
    (Entry("a/../../evil.png", PNG), "a path that leads out of the source"),
    (Entry("link.png", b"/etc/passwd", "symlink"), "a link"),
    (Entry("hard.png", b"", "hardlink"), "a link"),
    (Entry("pipe", b"", "fifo"), "a device or pipe, not a file"),
    (Entry("null", b"", "device"), "a device or pipe, not a file"),
    (Entry("a\\b.png", PNG), "an unsafe name"),
    (Entry("C:evil.png", PNG), "an unsafe name"),
    (Entry("line\nbreak.png", PNG), "an unsafe name"),
    (Entry("x" * 256, PNG), "a name that is too long"),
    (Entry("/".join("d" * 40), PNG), "a name that is too long"),
    (Entry("good.png", b"another"), "a name that an earlier member has"),
    (Entry("./good.png", b"another"), "a name that an earlier member has"),
    (Entry("good.png/inside.png", PNG), "a name that an earlier member has"),
    (Entry("folder", PNG), "a name that an earlier member has"),
    (Entry("good.png", b"", "folder"), "a name that an earlier member has"),
    (Entry("named.zip", PNG), "an archive inside an archive"),
    (Entry("named.CSV.GZ", b"a,b"), "an archive inside an archive"),
    (Entry("zip.png", make_zip([Entry("a", b"b")])), "an archive inside an archive"),
    (Entry("empty_zip.png", make_zip([])), "an archive inside an archive"),
    (Entry("tar.dcm", make_tar([Entry("a", b"b")])), "an archive inside an archive"),
    (Entry("gz.png", gzip.compress(PNG)), "an archive inside an archive"),
    (Entry("bz2.png", COMPRESS["x.tar.bz2"](PNG)), "an archive inside an archive"),
    (Entry("xz.png", COMPRESS["x.tar.xz"](PNG)), "an archive inside an archive"),
    (Entry("7z.png", b"7z\xbc\xaf\x27\x1c"), "an archive inside an archive"),
    (Entry("rar.png", b"Rar!\x1a\x07\x01\x00"), "an archive inside an archive"),
    (Entry("zip.nii.gz", make_zip([Entry("a", b"b")])), "an archive inside an archive"),
]
JUNK = [Entry("__MACOSX/._good.png", b"x"), Entry("folder/.DS_Store", b"x"), Entry("Thumbs.db", b"x")]


@pytest.mark.parametrize("name", NAMES)
def test_each_member_is_written_or_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    entries = [*GOOD, *JUNK, *(entry for entry, _ in CASES)]
    tally = unpacked(make_archive(name, entries), tmp_path, name)
    expected = {f"archive member {n}": why for n, (_, why) in enumerate(CASES, start=len(GOOD + JUNK) + 1)}
    assert {where: why.split(" (")[0] for where, why in tally.refused} == expected
    assert (tally.written, tally.junk, tally.members) == (len(GOOD), len(JUNK), len(entries))
    written = {os.path.normpath(e.name): e.content for e in GOOD if e.kind == "file"}
    assert files_below(tmp_path / "out") == written
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", name]


def test_files_are_plain_and_not_executable(tmp_path: Path) -> None:
    for name in NAMES:
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        unpacked(make_archive(name, [Entry("run.sh", b"#!/bin/sh")]), folder, name)
        assert (folder / "out" / "run.sh").stat().st_mode & 0o7111 == 0


def test_a_nul_hides_no_part_of_a_name(tmp_path: Path) -> None:
    tally = unpacked(make_zip([Entry("a.png\0.exe", PNG)]), tmp_path)
    assert [why.split(" (")[0] for _, why in tally.refused] == ["an unsafe name"]


def test_bytes_that_are_no_text_are_no_name(tmp_path: Path) -> None:
    raw = make_tar([Entry("x.png", PNG)]).replace(b"x.png", b"\xff.png", 1)
    header = bytearray(raw[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    tally = unpacked(bytes(header) + raw[512:], tmp_path, "x.tar")
    assert [why.split(" (")[0] for _, why in tally.refused] == ["an unsafe name"]


# Members of a ZIP that are damaged, encrypted or packed in ways that cannot be bounded.
def _patched(raw: bytes, field: int, value: bytes) -> bytes:
    """A ZIP with one member, whose header field is changed in both places; offsets as in the local header."""
    both = bytearray(raw)
    for start, shift in ((raw.index(b"PK\3\4"), 0), (raw.index(b"PK\1\2"), 2)):
        both[start + field + shift : start + field + shift + len(value)] = value
    return bytes(both)


ONE = make_zip([Entry("a.png", PNG * 3)])
FLIPPED = bytearray(make_zip([Entry("a.png", PNG)], zipfile.ZIP_STORED))
FLIPPED[60] ^= 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (bytes(FLIPPED), "damaged or truncated (BadZipFile)"),
        (_patched(ONE, 14, b"\0\0\0\1"), "damaged or truncated (BadZipFile)"),
        (_patched(ONE, 22, struct.pack("<I", 10)), "damaged or truncated (BadZipFile)"),
        (_patched(ONE, 22, struct.pack("<I", 10**9)), "damaged or truncated (shorter than its header says)"),
        (_patched(ONE, 6, b"\1"), "encrypted"),
        (_patched(ONE, 6, b"\x20"), "an unsupported compression (ZIP method 8)"),
        (_patched(ONE, 8, b"\x09"), "an unsupported compression (ZIP method 9)"),
        (make_zip([Entry("a.png", PNG)], zipfile.ZIP_BZIP2), "an unsupported compression (ZIP method 12)"),
        (make_zip([Entry("a.png", PNG)], zipfile.ZIP_LZMA), "an unsupported compression (ZIP method 14)"),
        (make_zip([Entry("a/", PNG)]), "damaged or truncated (a folder with content)"),
        (make_zip([Entry("", PNG)]), "an unsafe name (empty)"),
    ],
)
def test_members_of_a_zip_that_cannot_be_read(raw: bytes, reason: str, tmp_path: Path) -> None:
    tally = unpacked(raw, tmp_path)
    assert tally.refused == [("archive member 1", reason)]
    assert files_below(tmp_path / "out") == {}


def test_a_sparse_tar_member_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse.raw")
    info.pax_headers = {"GNU.sparse.map": "0,512,1000000000000,0", "GNU.sparse.size": "1000000000000"}
    info.size = 512
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(bytes(512)))
    tally = unpacked(buffer.getvalue(), tmp_path, "x.tar")
    assert tally.refused == [("archive member 1", "an unsupported compression (a sparse file)")]


# Caps.
def test_a_member_that_is_a_bomb(tmp_path: Path) -> None:
    raw = make_zip([Entry("a.png", PNG), Entry("bomb.png", bytes(10**6)), Entry("b.png", os.urandom(10**6))])
    tally = unpacked(raw, tmp_path, caps=TINY)
    assert tally.refused == [("archive member 2", "compressed so much that it may be a bomb (more than 10 to 1)")]
    assert set(files_below(tmp_path / "out")) == {"a.png", "b.png"}


def test_a_member_over_the_cap(tmp_path: Path) -> None:
    entries = [Entry("large.png", bytes(5001)), Entry("small.png", bytes(5000))]
    tally = unpacked(make_tar(entries), tmp_path, "x.tar", replace(CAPS, member=5000))
    assert tally.refused == [("archive member 1", "larger than one member may be (5,000 bytes)")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("caps", "told"),
    [
        (replace(CAPS, members=2), "more than 2 members"),
        (replace(CAPS, total=2500), "more than 2,500 bytes"),
        (replace(CAPS, reserve=2**60), "are left free"),
    ],
)
def test_caps_on_the_whole_archive(name: str, caps: Caps, told: str, tmp_path: Path) -> None:
    entries = [Entry(f"{n}.raw", os.urandom(1000)) for n in range(3)]
    with pytest.raises(UserError, match=told):
        unpacked(make_archive(name, entries), tmp_path, name, caps)


@pytest.mark.parametrize("name", list(COMPRESS)[1:])
def test_a_compressed_tar_that_unpacks_without_end(name: str, tmp_path: Path) -> None:
    for entries in ([Entry("bomb.png", bytes(5 * 10**6))], [Entry("/skipped", bytes(5 * 10**6))]):
        folder = tmp_path / entries[0].name.strip("/")
        folder.mkdir()
        with pytest.raises(UserError, match="more than 10 times its size, as bombs do"):
            unpacked(make_archive(name, entries), folder, name, TINY)


def test_overlapping_members_of_a_zip_are_a_bomb_too(tmp_path: Path) -> None:
    """One compressed block, many entries of the directory: https://www.bamsoftware.com/hacks/zipbomb/."""
    raw = make_zip([Entry("a.png", os.urandom(5000))])
    end = raw.index(b"PK\1\2")
    entry, tail = raw[end : raw.index(b"PK\5\6")], raw[raw.index(b"PK\5\6") :]
    count = 100
    tail = tail[:8] + struct.pack("<HHI", count, count, count * len(entry)) + tail[16:]
    many = b"".join(entry.replace(b"a.png", b"%05d" % n) for n in range(count))
    tally = unpacked(raw[:end] + many + tail, tmp_path, caps=TINY)
    assert tally.members == count  # the name in front of the block is another than that in the directory
    assert {why for _, why in tally.refused} == {"damaged or truncated (BadZipFile)"}
    same = b"".join([entry] * count)
    (tmp_path / "b").mkdir()
    tally = unpacked(raw[:end] + same + tail, tmp_path / "b", caps=TINY)
    assert (tally.written, len(tally.refused)) == (1, count - 1)


@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_what_is_unpacked(name: str, tmp_path: Path) -> None:
    raw = make_archive(name, [Entry("a.raw", bytes(16 << 20)), Entry("b.raw", bytes(16 << 20))])
    tracemalloc.start()
    unpacked(raw, tmp_path, name, replace(CAPS, ratio=10**9))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (16 if name.endswith(".xz") else 8) << 20  # an xz dictionary has 8 MB
