"""Pictures inside the page: thumbnails as data URIs, so that the report stays one file that asks for nothing."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.errors import UserError

Facts = Mapping[str, Any]

PAIRS_SHOWN = 12


@dataclass(frozen=True)
class Shown:
    """An entry of quality.json and the thumbnails of its images, as data URIs."""

    entry: Facts
    pictures: list[str]


@dataclass(frozen=True)
class Case:
    """An entry of failures.json, its thumbnail and its occlusion map, as data URIs."""

    entry: Facts
    picture: str
    saliency: str


def data_uri(path: Path) -> str:
    """A PNG file as `data:image/png;base64,…`; raises `UserError` when it is missing."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; run the stage that writes it again") from error
    return f"data:image/png;base64,{base64.b64encode(raw).decode()}"


def pairs(entries: Sequence[Facts], thumbnails: Mapping[str, str], dataset: Path) -> list[Shown]:
    """The first entries of a list of near duplicates, suspects or conflicts, with thumbnails; volumes have none."""
    folder = dataset / "thumbnails"
    return [
        Shown(entry, [data_uri(folder / thumbnails[i]) for i in dict.fromkeys(entry["image_ids"]) if i in thumbnails])
        for entry in entries[:PAIRS_SHOWN]
    ]


def cases(entries: Sequence[Facts], folder: Path) -> list[Case]:
    """Every mistake or correct positive with its pictures from `folder/gallery`."""
    gallery = folder / "gallery"
    return [
        Case(
            entry,
            data_uri(gallery / f"{entry['image_id']}.png"),
            data_uri(gallery / f"{entry['image_id']}_saliency.png"),
        )
        for entry in entries
    ]
