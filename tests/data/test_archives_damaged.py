"""Archives that are damaged, or that lie: one clear error, or a refusal, and no member lost without a word."""

import gzip
import lzma
import os
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.archiving import (
    COMPRESS,
    GOOD,
    NAMES,
    PNG,
    Entry,
    Kind,
    files_below,
    make_archive,
    make_tar,
    make_zip,
    unpacked,
)

from medgraft.data.archives import check_archive
from medgraft.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's, while it writes what we want refused


# Archives that are damaged as a whole.
def _swallowing(raw: bytes) -> bytes:
    """The first entry of the directory claims a comment as long as all entries that follow."""
    first = raw.index(b"PK\1\2")
    rest = raw.index(b"PK\5\6") - raw.index(b"PK\1\2", first + 1)
    return raw[: first + 32] + struct.pack("<H", rest) + raw[first + 34 :]


DAMAGED = {
    "empty.zip": b"",
    "text.zip": b"<html>404 not found</html>",
    "cut.zip": make_zip([Entry("a.png", PNG)])[:-30],
    "swallowed.zip": _swallowing(make_zip([Entry("a.png", PNG), Entry("b.png", PNG)])),
    "empty.tar": b"",
    "text.tar": b"<html>404 not found</html>",
    "text.tar.gz": b"<html>404 not found</html>",
    "cut.tar.gz": gzip.compress(make_tar([Entry("a.png", os.urandom(9999))]))[:-100],
    "cut.tar.bz2": COMPRESS["x.tar.bz2"](make_tar([Entry("a.png", PNG)]))[:-10],
    "cut.tar.xz": COMPRESS["x.tar.xz"](make_tar([Entry("a.png", PNG)]))[:-10],
    "cut_inside.tar": make_tar([Entry("a.png", PNG), Entry("b.png", os.urandom(2000))])[:2500],
    "cut_between.tar": make_tar([Entry("a.png", PNG), Entry("b.png", PNG)])[:1024],
    "bad_header.tar": make_tar([Entry("a.png", PNG)] * 3).replace(b"a.png", b"b.png"),
    "two.tar": make_tar([Entry("a.png", PNG)]) + make_tar([Entry("b.png", PNG)]),
    "bad_checksum.tar.gz": gzip.compress(make_tar([Entry("a.png", PNG)]))[:-8] + bytes(8),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_archive_is_one_clear_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the archive cannot be read: damaged, cut short or not what its name says"):
        unpacked(DAMAGED[name], tmp_path, name)


def _header(kind: bytes, size: bytes) -> bytes:
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[124:136], header[156:157], header[148:156] = size, kind, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize(
    "header",
    [
        _header(b"0", b"\xff" * 12),  # -1, in base 256: an endless loop in tarfile (CVE-2025-8194)
        _header(b"0", b"\xff" * 10 + b"\xf0\x00"),
        _header(b"x", b"00077777777\0"),  # an extended header of gigabytes, which tarfile reads into memory
        _header(b"L", b"00077777777\0"),
        _header(b"x", b"\xff" * 12),
        _header(b"x", b"00000000000\0") * 2000,  # each a level of recursion
    ],
)
def test_headers_that_lie(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the archive cannot be read"):
        unpacked(gzip.compress(header + bytes(1 << 20)), tmp_path, "x.tar.gz")


def test_an_xz_header_that_asks_for_gigabytes(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "preset": 0, "mf": lzma.MF_HC3, "nice_len": 8}]
    packed = lzma.compress(b"", filters=filters) + lzma.compress(make_tar([Entry("a.png", PNG)]), filters=filters)
    with pytest.raises(UserError, match=r"cannot be read.*LZMAError"):
        unpacked(packed, tmp_path, "x.tar.xz")


def test_more_members_than_16_bits_count(tmp_path: Path) -> None:
    raw = make_zip([Entry(str(n), b"") for n in range(65_600)], zipfile.ZIP_STORED)
    (tmp_path / "zip64.zip").write_bytes(raw)
    check_archive(tmp_path / "zip64.zip")
    at = raw.rindex(b"PK\5\6") - 76
    (offset,) = struct.unpack_from("<Q", raw, at + 48)
    plain = raw[:at] + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 64, 64, at - offset, offset, 0)
    (tmp_path / "no_zip64.zip").write_bytes(plain)  # as macOS does
    check_archive(tmp_path / "no_zip64.zip")


def test_several_streams_of_xz_are_one(tmp_path: Path) -> None:
    raw = make_tar([Entry("a.png", PNG)])
    packed = COMPRESS["x.tar.xz"](raw[:300]) + bytes(8) + COMPRESS["x.tar.xz"](raw[300:])
    assert unpacked(packed, tmp_path, "x.tar.xz").written == 1


def test_checking_opens_but_does_not_unpack(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(make_zip([Entry("a.png", PNG)]))
    check_archive(tmp_path / "x.zip")
    for name in ("text.zip", "text.tar.gz"):
        (tmp_path / name).write_bytes(DAMAGED[name])
        with pytest.raises(UserError, match="cannot be read"):
            check_archive(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 3


# Properties.
PARTS = st.sampled_from(["a", "b", "..", ".", "", "C:", "d\\e", "n\n", "long" * 70, "x.zip", "__MACOSX", "ü", "\x7f"])
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.lists(PARTS, min_size=1, max_size=4).map("/".join),
        st.sampled_from([b"", PNG, gzip.compress(PNG), bytes(3000)]),
        st.sampled_from(["file", "folder", "symlink", "hardlink", "fifo", "device"]),
    ),
    max_size=12,
)


def _same(kind: Kind, content: bytes) -> bytes:
    return content if kind == "file" else b""


@settings(max_examples=150, deadline=None)
@given(ENTRIES, st.sampled_from(NAMES))
def test_any_entries_are_counted_and_stay_inside(entries: list[Entry], name: str) -> None:
    sound = [replace(e, content=_same(e.kind, e.content)) for e in entries]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tally = unpacked(make_archive(name, sound), folder, name)
        assert tally.members == len(sound)
        assert len({where for where, _ in tally.refused}) == len(tally.refused)
        assert sorted(p.name for p in folder.iterdir()) == ["out", name]
        files = [p for p in (folder / "out").rglob("*") if not p.is_dir()]
        assert all(p.is_file() and not p.is_symlink() for p in files)
        folders = sum(e.kind == "folder" for e in sound)
        assert tally.written - folders <= len(files) <= tally.written


SAMPLES = {name: make_archive(name, [*GOOD, Entry("noise.raw", os.urandom(700))]) for name in NAMES}


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0.5, 1.5),
)
def test_damage_anywhere_is_a_refusal_or_an_error(name: str, changes: list[tuple[float, int]], kept: float) -> None:
    raw = bytearray(SAMPLES[name])
    for where, value in changes:
        raw[int(where * len(raw))] = value
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            tally = unpacked(bytes(raw[: round(kept * len(raw))]), folder, name)
        except UserError:
            return
        assert len(files_below(folder / "out")) <= tally.written
        assert sorted(p.name for p in folder.iterdir()) == ["out", name]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(NAMES))
def test_random_bytes_are_no_archive(raw: bytes, name: str) -> None:
    with TemporaryDirectory() as folder, pytest.raises(UserError, match="the archive cannot be read"):
        unpacked(raw, Path(folder), name)
