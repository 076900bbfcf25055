"""One set in every form that holds it gives one dataset: the same images, patients, labels and splits."""

import gzip
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import nibabel
import numpy as np
import polars as pl
import pytest
from tests.data.dicom.public_files import FOLDERS, table
from tests.data.dicoms import dataset, encoded
from tests.data.sources import run_ingest
from tests.shared import shared_data

from medgraft.data.dataset import read_images, read_rows, read_sealed

CLASSES = ["Uninfected", "Parasitized"]
MANIFEST = {"type": "manifest", "table": "labels.csv", "path": "images/{image_id}.png"}
COLUMNS = {"label": "class_name", "group": "patient_id"}
Made = tuple[Path, dict[str, Any]]  # a source and how it is read


def _manifest(folder: Path, out: Path) -> Made:
    return folder, MANIFEST | COLUMNS


def _folder(folder: Path, out: Path) -> Made:
    for row in pl.read_csv(folder / "labels.csv").iter_rows(named=True):
        (out / row["class_name"]).mkdir(parents=True, exist_ok=True)
        name = f"{row['patient_id']}__{row['image_id']}.png"
        shutil.copy(folder / f"images/{row['image_id']}.png", out / row["class_name"] / name)
    return out, {"type": "folder", "group_pattern": "^(.+?)__"}


def _zip(folder: Path, out: Path) -> Made:
    path = out.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return path, MANIFEST | COLUMNS


def _tar(folder: Path, out: Path) -> Made:
    path = out.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, arcname=".")
    return path, MANIFEST | COLUMNS


def _parquet(folder: Path, out: Path) -> Made:
    table = pl.read_csv(folder / "labels.csv")
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": (folder / f"images/{name}.png").read_bytes(), "path": None} for name in table["image_id"]],
        "class_name": [CLASSES.index(name) for name in table["class_name"]],
        "patient_id": table["patient_id"].to_list(),
    }
    kinds = {
        "image": datasets.Image(),
        "class_name": datasets.ClassLabel(names=CLASSES),
        "patient_id": datasets.Value("string"),
    }
    whole = datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))
    out.mkdir()
    whole.to_parquet(out / "cells.parquet")
    return out, {"type": "parquet"} | COLUMNS


FORMS: dict[str, Callable[[Path, Path], Made]] = {
    "manifest": _manifest,
    "folder": _folder,
    "zip": _zip,
    "tar": _tar,
    "parquet": _parquet,
}


@pytest.mark.parametrize("count", [400, pytest.param(4000, marks=pytest.mark.acceptance)])
def test_malaria_through_every_reader_that_fits(count: int, tmp_path: Path) -> None:
    whole = shared_data("malaria_cells")
    table = pl.read_csv(whole / "labels.csv").gather_every(4000 // count)
    part = tmp_path / "part"
    (part / "images").mkdir(parents=True)
    table.write_csv(part / "labels.csv")
    for name in table["image_id"]:
        shutil.copy(whole / f"images/{name}.png", part / "images")
    found = {}
    for form, make in FORMS.items():
        source, reader = make(part, tmp_path / form)
        ingested = run_ingest(source, tmp_path / f"{form}_out", reader, classes=CLASSES)
        assert ingested.quality["kept"] + len(ingested.quality["duplicates"]) == count, form
        assert ingested.quality["quarantined"] == [], form
        rows = read_rows(ingested.dataset).drop("source_uri", "split")
        assert rows["group_id"].n_unique() + ingested.quality["merged_groups"] == table["patient_id"].n_unique(), form
        splits = read_rows(ingested.dataset)["split"]
        found[form] = (rows.to_dicts(), splits.to_list(), read_sealed(ingested.sealed))
    assert len(found["manifest"][2]) > count / 10
    for form, held in found.items():
        assert held == found["manifest"], form


@pytest.mark.parametrize("side", [28, pytest.param(64, marks=pytest.mark.acceptance)])
def test_adrenal_volumes(side: int, tmp_path: Path) -> None:
    source = shared_data("medmnist_small") / f"adrenalmnist3d{'' if side == 28 else f'_{side}'}.npz"
    reader = {"type": "medmnist", "names": {0: "normal", 1: "hyperplasia"}}
    ingested = run_ingest(source, tmp_path / "out", reader, classes=["normal", "hyperplasia"], ungrouped=True)
    quality, card = ingested.quality, ingested.card
    assert (quality["rows"], quality["kept"], quality["quarantined"], card["dimensions"]) == (1584, 1584, [], 3)
    assert {name: split["images"] for name, split in card["splits"].items()} == {
        "train": 1188,
        "validation": 98,
        "test": 298,
    }  # as MedMNIST divides them
    with np.load(source) as arrays:
        digests = {array.tobytes() for split in ("train", "val", "test") for array in arrays[f"{split}_images"]}
        positive = int(arrays["test_labels"].sum())
    for _, raw in islice(read_images(ingested.dataset, ["test"]), 20):
        volume = np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(raw)).dataobj)
        assert volume.astype(np.uint8).tobytes() in digests
    assert sum(label == 1 for label in read_sealed(ingested.sealed).values()) == positive


@pytest.mark.acceptance
def test_every_file_of_pydicom_data_is_accounted_for(tmp_path: Path) -> None:
    """Among 120 sound ones, for the package's files are too few for three splits."""
    source = shutil.copytree(FOLDERS["pydicom_data"], tmp_path / "source")
    expected = {row["file"]: row for row in table() if row["package"] == "pydicom_data"}
    labels = [{"path": file, "finding": "ab"[number % 2]} for number, file in enumerate(expected)]
    for number in range(120):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
        (source / f"sound_{number}.dcm").write_bytes(encoded(dataset(noise)))
        labels.append({"path": f"sound_{number}.dcm", "finding": "ab"[number % 2]})
    pl.DataFrame(labels).write_csv(source / "findings.csv")
    reader = {"type": "dicom", "table": "findings.csv", "join": {"column": "path", "tag": "path"}, "label": "finding"}
    asked: dict[str, Any] = {"classes": ["a", "b"], "ungrouped": True, "max_quarantined": 0.9}
    quality = run_ingest(source, tmp_path / "out", reader, **asked).quality
    assert quality["rows"] == sum(int(row["records"]) for row in expected.values()) + 120
    assert quality["kept"] + len(quality["duplicates"]) + len(quality["quarantined"]) == quality["rows"]
    reasons = Counter(entry["reason"] for entry in quality["quarantined"])
    contradicted = {reason for reason in reasons if reason.startswith("the same pixels carry different labels")}
    foreseen = Counter[str]()
    for row in expected.values():
        if row["by_default"].startswith("quarantined: "):
            foreseen[row["by_default"].removeprefix("quarantined: ")] += int(row["records"])
    assert Counter({reason: n for reason, n in reasons.items() if reason not in contradicted}) == foreseen
