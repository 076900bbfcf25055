"""Any reader of Parquet opens a dataset unaided, and none finds a test label in it."""

from pathlib import Path

import datasets
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from tests.data.sources import CLASSES, Ingested, encoded, noise

from medgraft.data import dataset as module
from medgraft.data.dataset import Item, dataset_card, read_images, read_rows, read_sealed, write_shards
from medgraft.data.examination import examine
from medgraft.data.images import decode, decode_raster
from medgraft.errors import UserError

SPLITS = {"train", "validation", "test"}


def test_datasets_opens_the_folder(ingested: Ingested, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(ingested.dataset), cache_dir=str(tmp_path))
    assert set(loaded) == SPLITS
    for name, split in loaded.items():
        assert isinstance(split.features["label"], datasets.ClassLabel)
        assert split.features["label"].names == CLASSES
        assert len(split) == ingested.card["splits"][name]["images"]
        assert split[0]["image"].size == (8, 8)
        assert split[0]["split"] == name
    assert loaded["test"]["label"][:] == [None] * len(loaded["test"])
    assert set(loaded["train"]["label"]) == {0, 1}


def test_datasets_opens_the_shards(ingested: Ingested, tmp_path: Path) -> None:
    files = {name: str(ingested.dataset / "data" / f"{name}-*.parquet") for name in SPLITS}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    raw = dict(read_images(ingested.dataset))
    for row in loaded["train"].select(range(5)):
        np.testing.assert_array_equal(np.asarray(row["image"].convert("RGB")), decode(raw[row["image_id"]]))
        assert loaded["train"].features["label"].int2str(row["label"]) in CLASSES


def test_polars_opens_the_shards(ingested: Ingested) -> None:
    table = pl.read_parquet(ingested.dataset / "data" / "*.parquet")
    assert table.columns == [
        *("image", "image_id", "group_id", "study_id", "split", "label", "phash"),
        *("site", "age", "dose"),
        "source_uri",
    ]
    assert [str(table.schema[name]) for name in ("label", "site", "age", "dose")] == [
        "Int64",
        "String",
        "Int64",
        "Float64",
    ]
    assert table["age"].null_count() == 74
    image = table.row(0, named=True)
    assert examine(decode_raster(image["image"]["bytes"], 100)).image_id == image["image_id"]
    assert image["image"]["path"] == f"{image['image_id']}.png"


def test_test_labels_are_sealed(ingested: Ingested) -> None:
    rows = read_rows(ingested.dataset)
    test = rows.filter(pl.col("split") == "test")
    assert test["label"].null_count() == len(test) > 0
    assert rows.filter(pl.col("split") != "test")["label"].null_count() == 0
    sealed = read_sealed(ingested.sealed)
    assert set(sealed) == set(test["image_id"])
    assert set(sealed.values()) == {0, 1}
    assert sorted(p.name for p in ingested.sealed.iterdir()) == ["card.json", "labels.parquet"]


def test_rows_and_images_come_in_the_same_order(ingested: Ingested) -> None:
    for splits in (None, ["train", "validation"], ["test"]):
        rows = read_rows(ingested.dataset, splits)
        assert [image_id for image_id, _ in read_images(ingested.dataset, splits)] == rows["image_id"].to_list()
        assert set(rows["split"]) == set(splits or SPLITS)


def test_many_shards_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_SHARD", 7)
    monkeypatch.setattr(module, "ROWS_A_GROUP", 3)
    items = [Item(f"{(i * 7) % 20:02d}", "g", None, "train", i % 2, "0" * 16, {}, f"row {i}") for i in range(20)]
    raw = encoded(noise(1))
    write_shards(tmp_path, items, lambda item: (raw + item.image_id.encode(), "png"), "binary", CLASSES, [])
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == [
        f"train-{i:05d}-of-00003.parquet" for i in range(3)
    ]
    assert list(read_images(tmp_path)) == [(f"{i:02d}", raw + f"{i:02d}".encode()) for i in range(20)]
    assert pq.ParquetFile(tmp_path / "data" / "train-00000-of-00003.parquet").num_row_groups == 3


def test_refusals(ingested: Ingested, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sealed artifact, but a dataset is needed here"):
        dataset_card(ingested.sealed)
    with pytest.raises(UserError, match="dataset artifact, but a sealed is needed here"):
        read_sealed(ingested.dataset)
    with pytest.raises(UserError, match="no images for"):
        read_rows(ingested.dataset, ["unlabelled"])
