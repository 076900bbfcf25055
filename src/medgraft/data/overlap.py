"""Whether weights have seen the patients or images they are to be judged on."""

from pathlib import Path
from typing import Any

from medgraft.data.dataset import dataset_card, patients, read_rows
from medgraft.errors import UserError


def exposure(folder: Path, splits: list[str]) -> dict[str, Any]:
    """The HMAC group ids and image ids of those splits, for the card of what is trained on them."""
    rows = read_rows(folder, splits)
    return {
        "key_id": dataset_card(folder)["key_id"],
        "groups": sorted(patients(folder, splits)),
        "images": sorted(rows["image_id"]),
    }


def refuse_overlap(name: str, exposed: dict[str, Any], folder: Path) -> None:
    """Raise `UserError` when an initialization's source set shares patients or images with validation or test."""
    card = dataset_card(folder)
    if exposed["key_id"] != card["key_id"]:
        raise UserError(
            f"initialization '{name}' was trained on a dataset with group key {exposed['key_id']}, this one has "
            f"{card['key_id']}: overlap of patients cannot be checked; ingest both with the same group key"
        )
    judged = ["validation", "test"]
    groups = patients(folder, judged) & set(exposed["groups"])
    images = set(read_rows(folder, judged)["image_id"]) & set(exposed["images"])
    if groups or images:
        raise UserError(
            f"initialization '{name}' has seen {len(groups)} patients and {len(images)} images of "
            "this dataset's validation or test split, so every figure would leak; remove them from its source set"
        )
