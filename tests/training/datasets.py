"""Small dataset artifacts of any task, written as `ingest` writes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgraft.artifacts import fingerprint, write_card
from medgraft.data.dataset import Item, write_aliases, write_shards
from medgraft.data.images import encode_png
from medgraft.data.labels import Label, known
from medgraft.data.volumes import encode_nifti
from medgraft.params import Task

SIDE = 24


def write_dataset(
    folder: Path,
    task: Task,
    classes: Sequence[str],
    labels: Mapping[str, Sequence[Label | None]],
    *,
    scored: Sequence[str] | None = None,
    picture: Callable[[Label | None, np.random.Generator], NDArray[np.uint8]] | None = None,
    **facts: object,
) -> Path:
    """Write images of noise, two a patient, with `labels` by split in that order; returns the folder.

    `picture` makes an image uint8 [H, W, 1] of a label, or a volume [X, Y, Z]; without it they are noise. `facts` go
    into its card.
    """
    items, pixels = [], {}
    for split, values in labels.items():
        for number, label in enumerate(values):
            image_id = fingerprint("image", [split, number], {}, "")
            group = fingerprint("group", [split, number // 2], {}, "")
            items.append(Item(image_id, group, None, split, label, "0" * 16, {}, f"{split} {number}"))
            rng = np.random.default_rng([number, len(split)])
            shown = picture(label, rng) if picture else rng.integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
            volume = shown.shape[-1] > 3
            pixels[image_id] = (
                (encode_nifti(shown, (1.0, 1.0, 1.0)), "nii.gz") if volume else (encode_png(shown), "png")
            )
    write_shards(folder, items, lambda item: pixels[item.image_id], task, classes, [])
    write_aliases(folder, {})
    splits = {s: {"images": len(v), "groups": -(-len(v) // 2), "labels": {}} for s, v in labels.items()}
    print_ = fingerprint("dataset", [task, len(items)], {}, "")
    card: dict[str, object] = {
        "name": "noise",
        "task": task,
        "classes": list(classes),
        "scored": list(scored or classes),
    }
    card |= {"splits": splits, "channels": 1, "dimensions": 2, "key_id": "public", "warnings": []}
    write_card(folder, "dataset", print_, {}, **card | facts)
    return folder


def grades(count: int, classes: int = 4) -> list[Label | None]:
    """Grades in turn, two images alike."""
    return [number // 2 % classes for number in range(count)]


def findings(count: int) -> list[Label | None]:
    """Three findings: common; known for every other patient; rare. Every tenth image has nothing known."""
    rows: list[Label | None] = []
    for number in range(count):
        known_here = number // 2 % 2 == 0
        row = (int(number % 3 == 0), int(number % 8 == 0) if known_here else None, int(number % 20 == 5))
        rows.append((None, None, None) if number % 10 == 9 else row)
    return rows


def known_count(labels: Sequence[Label | None]) -> int:
    """How many of them tell anything."""
    return sum(known(label) for label in labels)
