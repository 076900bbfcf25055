from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError
from tests.data.containers import PCAM, write_pcam

from medgraft.data.content import BadImageError
from medgraft.data.readers.pcam import PcamSettings, read
from medgraft.data.readers.reader import Record
from medgraft.errors import UserError

LIMIT = 10_000


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, PcamSettings(type="pcam", **settings)))


def _name(split: str, part: str) -> str:
    return PCAM.format(split=split, part=part)


def test_patches_come_back_with_their_slides(tmp_path: Path) -> None:
    patches = write_pcam(tmp_path)
    records = _read(tmp_path, subgroups=["center"])
    assert [r.reference for r in records] == [f"image {n}" for n in range(1, 15)]
    assert [r.split for r in records] == ["train"] * 6 + ["validation"] * 4 + ["test"] * 4
    assert [r.label for r in records] == ["normal", "tumour"] * 7
    assert [r.group for r in records[:3]] == ["camelyon16_train_tumor_000"] * 2 + ["camelyon16_train_tumor_001"]
    assert [r.subgroups for r in records[1:3]] == [{"center": "RUMC"}, {"center": "UMCU"}]
    stored = np.concatenate(list(patches.values()))
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda r: r.content.load(LIMIT), records))
    for found, patch in zip(loaded, stored, strict=True):
        np.testing.assert_array_equal(found.array, patch, strict=True)


def test_without_slides(tmp_path: Path) -> None:
    write_pcam(tmp_path, meta=False)
    with pytest.raises(UserError, match=r"(?s)3 problems in dataset.source.*_train_meta.csv: missing; .*group to null"):
        _read(tmp_path)
    settings = PcamSettings(type="pcam", group=None, names=("0", "1"))
    assert not settings.grouped
    records = list(read(tmp_path, settings))
    assert {(r.group, r.label) for r in records} == {(None, "0"), (None, "1")}


def test_files_as_they_are_downloaded_are_still_gzipped(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    (tmp_path / _name("test", "x.h5")).rename(tmp_path / (_name("test", "x.h5") + ".gz"))
    (tmp_path / _name("train", "y.h5")).unlink()
    with pytest.raises(UserError, match=r"(?s)2 problems .*train_y.h5: missing\n.*test_x.h5: still gzipped; gunzip it"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"subgroups": ["center_tumor_patch"]}, "tells the label or the patient"),
        ({"subgroups": ["wsi"]}, "tells the label or the patient"),
        ({"subgroups": ["slide"], "group": "slide"}, "tells the label or the patient"),
        ({"subgroups": ["center"], "group": None}, "name their column with the slide"),
        ({"names": ["a", "b", "c"]}, "names"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PcamSettings(**{"type": "pcam", **settings})


def _rewrite(path: Path, name: str, data: Any, **options: Any) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data, **options)


@pytest.mark.parametrize(
    ("part", "name", "data", "message"),
    [
        ("x", "images", np.zeros((6, 96, 96, 3), np.uint8), "no whole HDF5 file with an array 'x'"),
        ("x", "x", np.zeros((6, 96, 96, 3), np.float32), r"float32 \[6, 96, 96, 3\], not uint8"),
        ("x", "x", np.zeros((6, 96, 96), np.uint8), r"uint8 \[6, 96, 96\], not uint8"),
        ("y", "y", np.zeros((5, 1, 1, 1), np.uint8), "does not hold a 0 or 1 for each of the 6 patches"),
        ("y", "y", np.full((6, 1, 1, 1), 2), "does not hold a 0 or 1"),
        ("y", "y", np.full((6, 1, 1, 1), 0.5), "does not hold a 0 or 1"),
    ],
)
def test_files_that_are_not_patchcamelyons(tmp_path: Path, part: str, name: str, data: Any, message: str) -> None:
    write_pcam(tmp_path)
    _rewrite(tmp_path / _name("train", f"{part}.h5"), name, data)
    with pytest.raises(UserError, match=f"{_name('train', part)}.h5.*{message}"):
        _read(tmp_path)


def test_a_table_of_slides_with_other_rows(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    with (tmp_path / _name("valid", "meta.csv")).open("a") as table:
        table.write("4,1,1,True,True,camelyon16_train_tumor_009,RUMC\n")
    with pytest.raises(UserError, match=r"valid_meta.csv has 5 rows for 4 patches"):
        _read(tmp_path)


def test_files_cannot_hand_out_other_files(tmp_path: Path) -> None:
    """HDF5 knows links to other files, arrays that lie in other files, and views of other files' arrays."""
    write_pcam(tmp_path)
    path, shape = tmp_path / _name("train", "x.h5"), (6, 96, 96, 3)
    (tmp_path / "secret").write_bytes(bytes(np.prod(shape)))
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros(shape, np.uint8)
    layout = h5py.VirtualLayout(shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "x", shape)
    for kind in ("link", "soft link", "outside storage", "view"):
        path.unlink()
        with h5py.File(path, "w") as file:
            if kind == "link":
                file["x"] = h5py.ExternalLink(str(other), "x")
            elif kind == "soft link":
                file["x"] = h5py.SoftLink("/elsewhere")
            elif kind == "outside storage":
                file.create_dataset("x", shape, np.uint8, external=[(str(tmp_path / "secret"), 0, int(np.prod(shape)))])
            else:
                file.create_virtual_dataset("x", layout)
        with pytest.raises(UserError, match="no whole HDF5 file with an array 'x'"):
            _read(tmp_path)


def test_pieces_that_would_fill_memory_are_refused(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    path = tmp_path / _name("train", "x.h5")
    for shape, chunks in (((6, 65_535, 65_535, 3), None), ((6, 96, 96, 3), (6, 4096, 4096, 3))):
        path.unlink()
        with h5py.File(path, "w") as file:  # nothing of it is ever written
            file.create_dataset("x", shape, np.uint8, chunks=chunks, maxshape=(None,) * 4 if chunks else None)
        with pytest.raises(UserError, match=r"train_x.h5 (holds|is in pieces)"):
            _read(tmp_path)


def test_a_damaged_chunk_is_a_reason_not_an_end(tmp_path: Path) -> None:
    write_pcam(tmp_path)
    path = tmp_path / _name("train", "x.h5")
    with h5py.File(path) as file:
        chunk = file["x"].id.get_chunk_info(1)
    with path.open("r+b") as stream:
        stream.seek(chunk.byte_offset + 10)
        stream.write(b"\xff" * 50)
    records = _read(tmp_path)
    contents = [r.content for r in records[:4] if r.content is not None]
    for content in contents[2:]:
        for look in (content.digest, lambda content=content: content.load(LIMIT)):
            with pytest.raises(BadImageError, match=r"truncated or damaged \(OSError\)"):
                look()
    assert contents[0].load(LIMIT).array.shape == (96, 96, 3)


@pytest.mark.parametrize("raw", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(2000)])
def test_what_is_no_hdf5(tmp_path: Path, raw: bytes) -> None:
    write_pcam(tmp_path)
    (tmp_path / _name("valid", "x.h5")).write_bytes(raw)
    with pytest.raises(UserError, match=r"valid_x.h5 is no whole HDF5 file"):
        _read(tmp_path)
