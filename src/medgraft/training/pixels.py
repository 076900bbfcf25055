"""The training store: every image decoded and resized once, memory-mapped, keyed by what it was made from."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from medgraft.artifacts import fingerprint, read_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, read_images
from medgraft.data.images import decode
from medgraft.errors import UserError
from medgraft.networks.preprocess import Preprocess

CODE = ("data/images.py", "networks/preprocess.py", "training/pixels.py")
BLOCK = 1 << 24  # bytes a checksum step


@dataclass(frozen=True)
class Pixels:
    """uint8 [n, C, size, size], memory-mapped, and the row of each image id. For training only."""

    images: NDArray[np.uint8]
    rows: dict[str, int]


def open_pixels(dataset: Path, image_size: int, cache: Path) -> Pixels:
    """The training store of a dataset's train and validation images at `image_size`; made when it is not there.

    Gray sets are kept with one channel. Values are rounded to whole numbers, which predictions never are.
    A store made from other images, or damaged since, is made anew.
    """
    card = dataset_card(dataset)
    key = fingerprint("pixels", {"image_size": image_size}, {"dataset": card["fingerprint"]}, code_version(CODE))
    data, facts = cache / f"{key}.npy", cache / f"{key}.json"
    if not _intact(data, facts):
        _make(dataset, card["channels"], image_size, data, facts)
    ids: list[str] = read_json(facts)["image_ids"]
    return Pixels(np.load(data, mmap_mode="r"), {image_id: row for row, image_id in enumerate(ids)})


def _make(dataset: Path, channels: int, image_size: int, data: Path, facts: Path) -> None:
    data.parent.mkdir(parents=True, exist_ok=True)
    facts.unlink(missing_ok=True)
    splits = ("train", "validation")
    counts = dataset_card(dataset)["splits"]
    count = sum(counts[split]["images"] for split in splits)
    temporary = data.with_name(f".{data.name}.{os.getpid()}")
    pixels = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(count, channels, image_size, image_size))
    preprocess = Preprocess(image_size, (0.0,), (1.0,))
    ids = []
    for row, (image_id, raw) in enumerate(read_images(dataset, splits)):
        resized = preprocess.resize(torch.from_numpy(decode(raw).copy())[None, :, :, :channels])
        pixels[row] = resized[0].round().clamp(0, 255).to(torch.uint8).numpy()
        ids.append(image_id)
    pixels.flush()
    del pixels
    temporary.replace(data)
    text = json.dumps({"image_ids": ids, "bytes": data.stat().st_size, "crc32": _checksum(data)})
    written = facts.with_name(f".{facts.name}.{os.getpid()}")
    written.write_text(text, encoding="utf-8")
    written.replace(facts)


def _intact(data: Path, facts: Path) -> bool:
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
