"""Small image sources, and a way to ingest them as the command line does."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from medgraft.artifacts import read_json, write_card, write_json
from medgraft.data.dataset import read_rows
from medgraft.params import Dataset, Split
from medgraft.stages import ingest
from medgraft.store import Store

READER = {"type": "manifest", "table": "labels.csv", "path": "file", "label": "finding", "group": "patient"}
CLASSES = ["healthy", "lesion"]
Row = dict[str, str]


@dataclass(frozen=True)
class Ingested:
    """Where the artifacts of an ingestion lie, and how they came about."""

    dataset: Path
    sealed: Path
    store: Store
    how: str

    @property
    def card(self) -> dict[str, Any]:
        card: dict[str, Any] = read_json(self.dataset / "card.json")
        return card

    @property
    def quality(self) -> dict[str, Any]:
        quality: dict[str, Any] = read_json(self.dataset / "quality.json")
        return quality


def noise(seed: int, size: int = 8, channels: int | None = None) -> NDArray[np.uint8]:
    """Pixels that no other seed has."""
    shape = (size, size) if channels is None else (size, size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: NDArray[np.uint8] | NDArray[np.uint16], kind: str = "PNG", **options: Any) -> bytes:
    """The pixels as an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def write_images(folder: Path, patients: int = 110, images: int = 2) -> list[Row]:
    """Write `images` PNGs for each patient, half of them ill, and return a table of them."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for patient in range(patients):
        for number in range(images):
            file = f"images/p{patient:03d}_{number}.png"
            (folder / file).write_bytes(encoded(noise(patient * 100 + number)))
            rows.append({"file": file, "patient": f"p{patient:03d}", "finding": CLASSES[patient % 2]})
    return rows


def write_table(folder: Path, rows: Sequence[Row]) -> None:
    """Write labels.csv with every column that any row has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns)
        table.writeheader()
        table.writerows(rows)


def run_ingest(source: Path, out: Path, reader: dict[str, Any] | None = None, **settings: Any) -> Ingested:
    """Ingest `source` into folders below `out`."""
    split = Split(**settings.pop("split", {}))
    defaults = {"name": "source", "task": "binary", "classes": CLASSES, "group_key": "public"}
    reader = reader if reader and "type" in reader else READER | (reader or {})
    dataset = Dataset(source=str(source), reader=reader, **(defaults | settings))
    plan = out / "plan"
    write_json(plan / "dataset.json", {"dataset": dataset.model_dump(), "split": split.model_dump()})
    write_card(plan, "plan", "0" * 32, {})
    store = Store(str(out / "store"))
    how = ingest.run(plan, out / "dataset", out / "sealed", store)
    return Ingested(out / "dataset", out / "sealed", store, how)


def example(folder: Path) -> Ingested:
    """110 patients with two small gray images each, and subgroup columns of every kind, ingested."""
    rows = write_images(folder)
    for number, row in enumerate(rows):
        row |= {"site": "AB"[number % 2], "age": str(20 + number) if number % 3 else "", "dose": f"{number}.5"}
    write_table(folder, rows)
    return run_ingest(folder, folder / "out", {"subgroups": ["site", "age", "dose"]})


def ingest_pictures(folder: Path, images: Mapping[str, bytes], **split: Any) -> Ingested:
    """Ingest encoded pictures, one a patient, whose id is the picture's name; every other one is ill."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, (name, raw) in enumerate(images.items()):
        (folder / f"images/{name}").write_bytes(raw)
        rows.append({"file": f"images/{name}", "patient": name, "finding": CLASSES[number % 2]})
    write_table(folder, rows)
    return run_ingest(folder, folder / "out", near_duplicates=False, split=split)


def splits_of_groups(ingested: Ingested) -> pl.Series:
    """In how many splits each group lies."""
    return read_rows(ingested.dataset).group_by("group_id").agg(pl.col("split").n_unique())["split"]


def folder_bytes(*folders: Path) -> bytes:
    """Every byte of every file in the folders."""
    return b"\n".join(p.read_bytes() for folder in folders for p in sorted(folder.rglob("*")) if p.is_file())
