"""A thousand hostile files: each ends with the right reason, none crashes, none vanishes, memory is bounded."""

import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.archiving import Entry, make_zip
from tests.data.containers import write_parquet
from tests.data.hostile import frames, volumes
from tests.data.hostile.child import CLASSES
from tests.data.hostile.containers import containers
from tests.data.hostile.item import ACCEPTED, Hostile
from tests.data.hostile.making import Maker
from tests.data.hostile.members import concatenated, entries, spoilt
from tests.data.hostile.rasters import PAYLOAD, SIGNATURES, extensions, modes, rasters, riders
from tests.data.sources import Ingested, encoded, noise

from medgraft.data.content import BadImageError
from medgraft.data.dataset import read_images
from medgraft.data.images import ImageBytes
from medgraft.store import Store

ROOT = Path(__file__).parents[2]
LIMIT = 2_000_000_000
MAX_PIXELS = 100_000_000
PATIENTS = 110
INGEST = """
import sys
from pathlib import Path
from tests.data.hostile.child import peak
from tests.data.sources import run_ingest
reader = {"type": "folder", "group_pattern": r"^([^.]+)"}
run_ingest(Path(sys.argv[1]), Path("out"), reader, max_quarantined=0.99)
print(peak())
"""
SOUND = [item for kind in (extensions, modes, riders) for item in kind(Maker(0)) if item.outcomes == {ACCEPTED}]
ENTRIES, SPOILT = list(entries(0)), list(spoilt(0))
Outcomes = list[dict[str, str]]


@cache
def _rasters() -> list[Hostile]:
    """All hostile image files; made when a test needs them."""
    return list(rasters(0))


@dataclass(frozen=True)
class Told:
    """What ingestion made of the ZIP; the reader's reference of each file by its name, the reason for each member."""

    ingested: Ingested
    peak: int
    places: dict[str, str]
    members: dict[str, str]


pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Tag data larger", "ignore:Truncated File")


def _run(folder: Path, *arguments: str) -> str:
    """What a process of our own prints that works in that folder."""
    variables = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def _examined(reader: str, source: Path, max_pixels: int) -> Outcomes:
    told = json.loads(_run(source.parent, "-m", "tests.data.hostile.child", reader, str(source), str(max_pixels)))
    assert told["peak"] < LIMIT
    found: Outcomes = told["outcomes"]
    return found


def _write(folder: Path, items: Iterable[Hostile]) -> list[Hostile]:
    """Write the items as one class, and return them in the order of a reader."""
    (folder / "healthy").mkdir(parents=True)
    for item in items:
        (folder / "healthy" / item.name).write_bytes(item.content)
    return sorted(items, key=lambda item: Path(item.name))


def _wrong(expected: Sequence[Hostile], told: Iterable[str]) -> list[str]:
    """Every item whose outcome is not among the right ones; the reason counts up to its detail."""
    return [
        f"{item.name}: {why}, not {' or '.join(sorted(item.outcomes))}"
        for item, why in zip(expected, told, strict=True)
        if why.split(" (")[0] not in item.outcomes
    ]


def test_they_are_a_thousand_and_always_the_same() -> None:
    count = 0
    for kind in (rasters, entries, spoilt, volumes.volumes, frames.frames, containers):
        first = list(kind(0))
        assert first == list(kind(0))
        count += len(first)
    assert count >= 1000
    assert len({item.name for item in _rasters()}) == len(_rasters())


# Image files and members of archives, from a ZIP to a dataset.
@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A ZIP of all of them among 110 sound images, ingested in a process of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    good = [Entry(f"{CLASSES[n % 2]}/patient_{n:03d}.png", encoded(noise(n))) for n in range(PATIENTS)]
    files = [*good, *(Entry(f"healthy/{item.name}", item.content) for item in _rasters())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, on names that are there already
        listed = make_zip([*files, *(item.entry for item in ENTRIES)])
    (folder / "set.zip").write_bytes(concatenated([listed, *(raw for raw, _ in SPOILT)]))
    peak = int(_run(folder, "-c", INGEST, "set.zip"))
    places = {str(path): f"file {n}" for n, path in enumerate(sorted(Path(entry.name) for entry in files), start=1)}
    refused = [item.reason for item in ENTRIES] + [reason for _, reason in SPOILT]
    members = {f"archive member {n}": why for n, why in enumerate(refused, start=len(files) + 1)}
    return Told(Ingested(folder / "out/dataset", folder / "out/sealed", Store(""), ""), peak, places, members)


def test_each_raster_ends_as_it_should(told: Told) -> None:
    reasons = {item["source_uri"]: item["reason"] for item in told.ingested.quality["quarantined"]}
    found = [reasons.get(told.places[f"healthy/{item.name}"], ACCEPTED) for item in _rasters()]
    assert _wrong(_rasters(), found) == []
    assert not {told.places[str(Path(f"{CLASSES[n % 2]}/patient_{n:03d}.png"))] for n in range(PATIENTS)} & set(reasons)


def test_each_hostile_member_is_refused_with_its_reason(told: Told) -> None:
    reasons = {item["source_uri"]: item["reason"] for item in told.ingested.quality["quarantined"]}
    refused = {where: why.split(" (")[0] for where, why in reasons.items() if where.startswith("archive member")}
    assert refused == told.members


def test_none_vanishes_and_memory_is_bounded(told: Told) -> None:
    quality = told.ingested.quality
    assert quality["rows"] == len(told.places) + len(told.members)
    assert quality["rows"] == quality["kept"] + len(quality["quarantined"]) + len(quality["duplicates"])
    assert quality["kept"] == sum(1 for _ in read_images(told.ingested.dataset))
    assert told.peak < LIMIT


def test_nothing_that_rode_along_reaches_the_dataset(told: Told) -> None:
    assert sum(PAYLOAD in item.content for item in _rasters()) > 20
    for _, raw in read_images(told.ingested.dataset):
        assert PAYLOAD not in raw


# What a folder may hold besides images.
NO_IMAGE = {"folder": "more bytes than", "dicom": "not a DICOM file", "nifti": "not a NIfTI file"}


@pytest.mark.parametrize("reader", NO_IMAGE)
def test_what_lies_in_a_folder_and_is_no_image_file(reader: str, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "healthy"
    (folder / "a folder.png").mkdir(parents=True)
    (folder / "dangling.png").symlink_to("nowhere.png")
    with (folder / "huge.png").open("wb") as stream:
        stream.truncate(3_000_000_000)  # a hole: no disk is used
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "out.png").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.png")
    with chdir(folder), socket.socket(socket.AF_UNIX) as connection:  # its address must be short
        connection.bind("socket.png")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(encoded(noise(1)))
    [found] = _examined(reader, tmp_path / "set", MAX_PIXELS)
    expected = ["file missing", NO_IMAGE[reader], "file cannot be read", "a link that leads out of the source"]
    expected += ["not a", "not a", "a name that is no text"]  # file
    assert len(found) == len(expected)
    assert all(why.startswith(start) for why, start in zip(found.values(), expected, strict=True)), found


# The other readers.
def test_nifti_volumes(tmp_path: Path) -> None:
    items = _write(tmp_path / "set", list(volumes.volumes(0)))
    [found] = _examined("nifti", tmp_path / "set", volumes.MAX_VOXELS)
    assert _wrong(items, found.values()) == []


def test_dicom_files(tmp_path: Path) -> None:
    items = _write(tmp_path / "set", list(frames.frames(0)))
    [found] = _examined("dicom", tmp_path / "set", frames.MAX_PIXELS)
    assert _wrong(items, found.values()) == []


def test_images_in_parquet(tmp_path: Path) -> None:
    items = _rasters()[::4]
    images = [{"bytes": item.content, "path": None} for item in items]
    features = {"image": datasets.Image(decode=False), "label": datasets.Value("string")}
    write_parquet(tmp_path / "set.parquet", {"image": images, "label": ["healthy"] * len(items)}, features)
    [found] = _examined("parquet", tmp_path / "set.parquet", MAX_PIXELS)
    assert _wrong(items, found.values()) == []


def test_npz_files_are_refused_as_a_whole(tmp_path: Path) -> None:
    files = list(containers(0))
    (tmp_path / "set").mkdir()
    for number, raw in enumerate(files):
        (tmp_path / "set" / f"{number:03d}.npz").write_bytes(raw)
    found = _examined("medmnist", tmp_path / "set", MAX_PIXELS)
    assert len(found) == len(files)
    assert [number for number, each in enumerate(found) if "source" not in each] == []
    assert not any(str(tmp_path) in why for each in found for why in each.values())


# Whatever else comes.
def _load(raw: bytes) -> None:
    content = ImageBytes(lambda: raw)
    content.digest()
    try:
        loaded = content.load(10_000)
    except BadImageError:
        return
    assert loaded.array.dtype in (np.uint8, np.uint16)
    assert loaded.array.ndim == 3
    if not loaded.changes:
        content.kept()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(SIGNATURES))
def test_random_bytes_are_a_reason(raw: bytes, start: bytes) -> None:
    _load(raw)
    _load(start + raw)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(SOUND),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
    st.floats(0, 1),
)
def test_a_sound_file_with_random_changes(item: Hostile, changes: list[tuple[float, int]], kept: float) -> None:
    raw = bytearray(item.content)
    for where, value in changes:
        raw[int(where * len(raw))] = value
    _load(bytes(raw[: round(kept * len(raw))] if kept < 0.8 else raw))
