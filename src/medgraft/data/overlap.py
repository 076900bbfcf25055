"""Whether weights have seen the patients or images they are to be judged on."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medgraft.artifacts import CARD
from medgraft.data.dataset import dataset_card, patients, read_images, read_rows
from medgraft.data.hamming import NEAR, near
from medgraft.data.images import decode
from medgraft.data.near_duplicates import Pictured, find
from medgraft.data.spill import Spill
from medgraft.errors import UserError

JUDGED = ["validation", "test"]
PARTS = ("datasets", "groups", "images", "hashes")


def exposure(folder: Path, splits: list[str]) -> dict[str, Any]:
    """What is trained on those splits has seen, for its card.

    `key_id` of the group key, and sorted lists: `datasets` (fingerprints), `groups` (HMAC ids), `images` (ids: hashes
    of all pixels) and `hashes` (perceptual, 16 hex digits), by which copies that were encoded anew can be suspected.
    """
    card, rows = dataset_card(folder), read_rows(folder, splits)
    return {
        "key_id": card["key_id"],
        "datasets": [card["fingerprint"]],
        "groups": sorted(patients(folder, splits)),
        "images": sorted(rows["image_id"]),
        "hashes": sorted(set(rows["phash"].drop_nulls())),
    }


def exposed_together(seen: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What has been seen by any of several weights, all of one group key."""
    every = list(seen)
    known = [part for part in PARTS if all(part in one for one in every)]
    return {"key_id": every[0]["key_id"]} | {part: sorted({i for one in every for i in one[part]}) for part in known}


def in_common(exposed: Mapping[str, Any], folder: Path, splits: list[str]) -> str | None:
    """How many patients and images of those splits have been seen, in words; None where there are none."""
    groups = patients(folder, splits) & set(exposed["groups"])
    images = set(read_rows(folder, splits)["image_id"]) & set(exposed["images"])
    return f"{len(groups)} patients and {len(images)} images" if groups or images else None


def refuse_overlap(name: str, exposed: Mapping[str, Any], folder: Path, source: Path | None = None) -> list[str]:
    """Raise `UserError` when an initialization has seen patients or images of the dataset's validation or test split.

    Copies under other pixels are found by perceptual hash. The artifact of the set it was trained on, if it lies at
    `source`, decides by their pixels whether they are; without it they stay suspects. Returns warnings about these, for
    every artifact that is made from the weights.
    """
    card, rows = dataset_card(folder), read_rows(folder, JUDGED)
    if exposed["key_id"] != card["key_id"]:
        raise UserError(
            f"initialization '{name}' was trained on a dataset with group key {exposed['key_id']}, this one has "
            f"{card['key_id']}: overlap of patients cannot be checked; ingest both with the same group key"
        )
    seen = in_common(exposed, folder, JUDGED)
    if seen is not None:
        raise _leak(name, seen)
    if "hashes" not in exposed:
        return [
            f"Initialization '{name}' was made before perceptual hashes were kept: whether it has seen re-encoded "
            "copies of validation or test images is not known."
        ]
    alike = look_alikes(rows, exposed["hashes"])
    if not alike:
        return []
    if source is not None and _made_from(source, exposed):
        copies, bounded = _copies(folder, alike, source, exposed)
        if copies:
            raise _leak(name, f"{copies} images, under other pixels (re-encoded or resized),")
        if not bounded:
            return []
    return [
        f"{len(alike)} of {len(rows)} validation and test images look like one that initialization '{name}' has seen: "
        f"their perceptual hashes differ in at most {NEAR} of 64 bits, and not all could be compared by their pixels. "
        "Most look-alikes are different images (3 % of the red cells and 40 % of the fundus photographs in two public "
        "sets have one), but a copy among them would make the figures too good."
    ]


def _leak(name: str, what: str) -> UserError:
    return UserError(
        f"initialization '{name}' has seen {what} of this dataset's validation or test split, so every figure would "
        "leak; remove them from its source set"
    )


def _made_from(source: Path, exposed: Mapping[str, Any]) -> bool:
    return (source / CARD).is_file() and [dataset_card(source)["fingerprint"]] == exposed.get("datasets")


def look_alikes(rows: pl.DataFrame, hashes: Iterable[str]) -> set[str]:
    """Ids of the rows' images whose perceptual hash is near any of the hashes (16 hex digits)."""
    hashed = rows.drop_nulls("phash").sort("image_id")
    ids = hashed["image_id"].to_list()
    return {ids[index] for index, *_ in near(_numbers(hashed["phash"]), _numbers(hashes))}


def _numbers(hashes: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in hashes], dtype=np.uint64)


def _copies(folder: Path, alike: set[str], source: Path, exposed: Mapping[str, Any]) -> tuple[int, bool]:
    """How many of those images are one that was exposed, by their pixels; and whether not all could be compared."""
    judged = read_rows(folder, JUDGED).filter(pl.col("image_id").is_in(alike))
    seen = read_rows(source).filter(pl.col("image_id").is_in(exposed["images"]))
    seen = seen.filter(pl.col("image_id").is_in(look_alikes(seen, judged["phash"])))
    items: list[Pictured] = []
    reads: list[Callable[[], bytes]] = []
    waiting = Spill(0)
    for place, splits, rows in ((source, None, seen), (folder, JUDGED, judged)):
        hashes = dict(zip(rows["image_id"], _numbers(rows["phash"]).tolist(), strict=True))
        for image_id, raw in read_images(place, splits):
            if image_id in hashes:
                items.append(Pictured(hashes[image_id], decode(raw).shape[:2]))
                reads.append(waiting.append(raw))
    found = find(items, lambda index: decode(reads[index]()))
    exposed_copies = [copies for copies in found.copies if copies[0] < len(seen)]
    return sum(index >= len(seen) for copies in exposed_copies for index in copies), found.bounded
