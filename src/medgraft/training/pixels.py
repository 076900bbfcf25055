"""The pixel store: every image decoded and resized once, memory-mapped, keyed by what it was made from."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from platform import node
from uuid import uuid4
from zlib import crc32

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from medgraft.artifacts import fingerprint, read_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, read_images
from medgraft.data.stored import decode_stored
from medgraft.errors import UserError
from medgraft.networks.network import EIGHT_BITS
from medgraft.networks.preprocess import Preprocess
from medgraft.networks.preprocess_volume import PreprocessVolume

CODE = (
    *("data/content.py", "data/images.py", "data/nifti.py", "data/stored.py", "data/volumes.py"),
    *("networks/preprocess.py", "networks/preprocess_volume.py", "training/pixels.py"),
)
BLOCK = 1 << 24  # bytes a checksum step


@dataclass(frozen=True)
class Pixels:
    """[n, C, size, size (, size)] in [0, 255], memory-mapped, and the row of each image id. For training only."""

    images: NDArray[np.uint8] | NDArray[np.float16]
    rows: dict[str, int]


def open_pixels(dataset: Path, image_size: int, window: tuple[float, float], cache: Path) -> Pixels:
    """The pixel store of a dataset's train and validation images at `image_size`; made when it is not there.

    Gray sets are kept with one channel, 8-bit ones as uint8, rounded, which predictions never are; volumes of more bits
    as float16, `window` mapped to [0, 255]. A store made from other images, or damaged since, is made anew.
    """
    card = dataset_card(dataset)
    matters = {"image_size": image_size, "window": window}
    key = fingerprint("pixels", matters, {"dataset": card["fingerprint"]}, code_version(CODE))
    data, facts = cache / f"{key}.npy", cache / f"{key}.json"
    if not intact(data, facts):
        _make(dataset, image_size, window, data, facts)
    ids: list[str] = read_json(facts)["image_ids"]
    return Pixels(np.load(data, mmap_mode="r"), {image_id: row for row, image_id in enumerate(ids)})


def _make(dataset: Path, image_size: int, window: tuple[float, float], data: Path, facts: Path) -> None:
    data.parent.mkdir(parents=True, exist_ok=True)
    facts.unlink(missing_ok=True)
    card = dataset_card(dataset)
    splits, channels, dimensions = ("train", "validation"), card["channels"], card["dimensions"]
    count = sum(card["splits"][split]["images"] for split in splits)
    kind: type[np.uint8] | type[np.float16] = np.uint8 if window == EIGHT_BITS else np.float16
    shape = (count, channels, *[image_size] * dimensions)
    plain: tuple[int, tuple[float, ...], tuple[float, ...]] = (image_size, (0.0,), (1.0,))
    preprocess = Preprocess(*plain) if dimensions == 2 else PreprocessVolume(*plain, window)
    ids = []
    with being_written(data) as unfinished:
        pixels = open_memmap(unfinished, mode="w+", dtype=kind, shape=shape)
        for row, (image_id, raw) in enumerate(read_images(dataset, splits)):
            resized = preprocess.resize(decode_stored(raw, dimensions)[..., :channels])[0].clamp(0, 255)
            pixels[row] = resized.round().numpy().astype(kind) if kind is np.uint8 else resized.numpy().astype(kind)
            ids.append(image_id)
        pixels.flush()
    vouch(data, facts, {"image_ids": ids})


@contextmanager
def being_written(data: Path) -> Iterator[Path]:
    """A path beside `data` to write to, which becomes `data` at the end, or is removed if there is an error.

    What a process of this machine that was killed has left there is removed first: a store can be as large as the disk.
    """
    mine = f".{data.name}.{node()}."
    for left in data.parent.glob(f"{escape(mine)}*"):
        if not _alive(int(left.name.removeprefix(mine).partition(".")[0])):
            left.unlink(missing_ok=True)
    unfinished = data.with_name(f"{mine}{os.getpid()}.{uuid4().hex}")
    try:
        yield unfinished
        unfinished.replace(data)
    finally:
        unfinished.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def vouch(data: Path, facts: Path, more: dict[str, object]) -> None:
    """Write down, beside `data`, its length and checksum, and `more`: only then does it count."""
    text = json.dumps(more | {"bytes": data.stat().st_size, "crc32": _checksum(data)})
    written = facts.with_name(f".{facts.name}.{uuid4().hex}")
    written.write_text(text, encoding="utf-8")
    written.replace(facts)


def intact(data: Path, facts: Path) -> bool:
    """Whether `data` is what was vouched for."""
    if not (data.is_file() and facts.is_file()):
        return False
    try:
        known = read_json(facts)
    except UserError:  # damaged: made anew, like the store itself
        return False
    return bool(data.stat().st_size == known["bytes"] and _checksum(data) == known["crc32"])


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            total = crc32(block, total)
    return total
