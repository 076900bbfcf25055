import datetime
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Image, List, Nifti, Value
from tests.data.containers import nifti, values, write_parquet
from tests.data.readers.parquets import CLASSES, LIMIT, images, load, plain, read_records
from tests.data.sources import Ingested, encoded, noise
from tests.shared import shared_data

from medgraft.data.content import BadImageError
from medgraft.data.dataset import read_images, read_rows
from medgraft.data.images import ImageFile
from medgraft.data.volumes import NiftiBytes, NiftiFile
from medgraft.errors import UserError


def test_rows_become_records(tmp_path: Path) -> None:
    features = {"image": Image(), "finding": CLASSES, "who": Value("string"), "visit": Value("int64")}
    features |= {"set": Value("string"), "site": Value("string"), "age": Value("float64"), "day": Value("date32")}
    columns: dict[str, list[Any]] = {
        "image": images(3),
        "finding": [1, 0, -1],
        "who": [" p1 ", "p2", None],
        "visit": [7, None, 8],
        "set": ["val", None, "train"],
        "site": ["A", "B", None],
        "age": [61.0, float("nan"), 40.5],
        "day": [datetime.date(2020, 1, 31), None, None],
    }
    write_parquet(tmp_path / "a.parquet", columns, features)
    asked = {
        "label": "finding",
        "group": "who",
        "study": "visit",
        "split": "set",
        "split_values": {"val": "validation"},
    }
    records = read_records(tmp_path, **asked, subgroups=["site", "age"], dates=["day"])
    assert [r.reference for r in records] == ["image 1", "image 2", "image 3"]
    assert [r.label for r in records] == ["lesion", "healthy", None]
    assert [r.group for r in records] == ["p1", "p2", None]
    assert [r.study for r in records] == ["p1/7", None, "8"]
    assert [r.split for r in records] == ["validation", None, "train"]
    assert [dict(r.subgroups) for r in records] == [
        {"site": "A", "age": 61.0, "day": "2020-01-31"},
        {"site": "B", "age": None, "day": None},
        {"site": None, "age": 40.5, "day": None},
    ]
    for number, record in enumerate(records):
        np.testing.assert_array_equal(load(record).array[..., 0], noise(number))
        assert record.content is not None
        assert record.content.kept() == (encoded(noise(number)), "png")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["a", " b ", "", None], ["a", "b", None, None]),
        ([0, 1, -1, None], ["0", "1", "-1", None]),
        ([0.0, 1.0, 0.5, None], ["0", "1", "0.5", None]),
        ([True, False, None, True], ["True", "False", None, "True"]),
    ],
)
def test_labels_without_notes_of_the_library(tmp_path: Path, cells: list[Any], labels: list[str | None]) -> None:
    plain(tmp_path / "a.parquet", {"image": [encoded(noise(n)) for n in range(4)], "label": cells})
    records = read_records(tmp_path, label="label")
    assert [r.label for r in records] == labels
    np.testing.assert_array_equal(load(records[3]).array[..., 0], noise(3))


def test_files_in_order_their_splits_in_their_names(tmp_path: Path) -> None:
    for seed, name in enumerate(["test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002", "val"]):
        columns: dict[str, list[Any]] = {"image": images(3, 10 * seed), "label": [0, 1, 0]}
        write_parquet(tmp_path / "data" / f"{name}.parquet", columns, {"image": Image(), "label": CLASSES})
    (tmp_path / "data" / "readme.md").write_text("no table")
    asked = {"label": "label", "split_in_name": True, "split_values": {"val": "validation"}}
    records = read_records(tmp_path, **asked)
    assert [r.split for r in records] == ["test"] * 3 + ["train"] * 6 + ["validation"] * 3
    assert [r.reference for r in records] == [f"image {n}" for n in range(1, 13)]
    assert [r.split for r in read_records(tmp_path, **asked, files="data/train-*.parquet")] == ["train"] * 6
    assert len(read_records(tmp_path / "data" / "val.parquet", label="label")) == 3
    with ThreadPoolExecutor(4) as pool:
        for record, loaded in zip(records, pool.map(load, records), strict=True):
            number = int(record.reference.split()[1]) - 1
            np.testing.assert_array_equal(loaded.array[..., 0], noise(number // 3 * 10 + number % 3))


def test_rows_with_only_a_path_stay_inside_the_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("a.png", "b.nii.gz"):
        (source / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "images" / name).write_bytes(encoded(noise(1)))
    (tmp_path / "secret.png").write_bytes(encoded(noise(1)))
    paths = ["images/a.png", "images/b.nii.gz", "../secret.png", str(tmp_path / "secret.png"), None, "gone.png"]
    cells = [{"bytes": None, "path": path} for path in paths]
    plain(source / "a.parquet", {"image": [*cells, None], "label": ["x"] * 7})
    records = read_records(source, label="label")
    outside, empty = "the path is empty or leads out of the source", "no image in the row"
    assert [r.problem for r in records] == [None, None, outside, outside, empty, None, empty]
    assert records[0].content == ImageFile(source / "images" / "a.png")
    assert records[1].content == NiftiFile(source / "images" / "b.nii.gz")
    with pytest.raises(BadImageError, match="file missing"):
        load(records[5])


def test_volumes(tmp_path: Path) -> None:
    raw = nifti(values((4, 3, 2), 1), np.diag([-1.0, 2.0, 3.0, 1.0]))
    columns: dict[str, list[Any]] = {"label": [0, 1]}
    columns["image"] = [{"bytes": raw, "path": "a.nii"}, {"bytes": raw, "path": None}]
    write_parquet(tmp_path / "a.parquet", columns, {"image": Nifti(), "label": CLASSES})
    plain(tmp_path / "b" / "b.parquet", {"image": [{"bytes": raw, "path": "a.nii"}], "label": pa.array([0])})
    for record in [
        *read_records(tmp_path, label="label", files="*.parquet"),
        *read_records(tmp_path / "b", label="label"),
    ]:
        assert isinstance(record.content, NiftiBytes)
        np.testing.assert_array_equal(load(record).array, values((4, 3, 2), 1)[::-1])
        assert load(record).spacing == (1.0, 2.0, 3.0)


def test_a_column_a_class(tmp_path: Path) -> None:
    columns = {"image": [encoded(noise(n)) for n in range(4)], "a": [1, 0, None, 1], "b": [1.0, None, -1.0, 3.0]}
    plain(tmp_path / "a.parquet", columns)
    records = read_records(tmp_path, labels=["a", "b"])
    assert [r.labels for r in records] == [{"a": 1, "b": 1}, {"a": 0, "b": None}, {"a": None, "b": None}, None]
    assert [r.problem for r in records] == [None, None, None, "a label that is not 1, 0, -1 or blank"]
    assert {r.label for r in records} == {None}
    assert read_records(tmp_path, labels=["b"], uncertain="ones", blank="zeros")[2].labels == {"b": 1}


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (List(ClassLabel(names=["No Finding", "x", "y", "z"])), [[1], [0], [1, 2], [], None, [1, 0], [3]]),
        (List(Value("string")), [["x"], ["No Finding"], ["x", "y"], [], None, ["x", "No Finding"], ["z"]]),
    ],
)
def test_lists_of_what_is_present(tmp_path: Path, kind: Any, cells: list[Any]) -> None:
    write_parquet(tmp_path / "a.parquet", {"image": images(7), "many": cells}, {"image": Image(), "many": kind})
    records = read_records(tmp_path, labels=["x", "y"], lists="many", negative="No Finding")
    assert [r.labels for r in records] == [
        {"x": 1, "y": 0},
        {"x": 0, "y": 0},
        {"x": 1, "y": 1},
        {"x": 0, "y": 0},
        {"x": None, "y": None},
        None,
        None,
    ]
    assert [r.problem for r in records][5:] == [
        "a finding beside the word for no finding",
        "a label that is not among the reader's labels",
    ]
    assert read_records(tmp_path, labels=["x", "y"], lists="many", blank="zeros")[4].labels == {"x": 0, "y": 0}


def test_lists_of_truths(tmp_path: Path) -> None:
    columns = {"image": [encoded(noise(n)) for n in range(4)], "labels": [[1.0, 0.0], [None, 1.0], None, [1.0]]}
    plain(tmp_path / "a.parquet", columns)
    records = read_records(tmp_path, labels=["x", "y"], lists="labels")
    assert [r.labels for r in records] == [{"x": 1, "y": 0}, {"x": None, "y": 1}, {"x": None, "y": None}, None]
    assert records[3].problem == "a list of labels of another length than the reader's labels"


@pytest.mark.parametrize("cells", [[[1, 0], [1]], [[0, 1], []], [[0, 1], [0, 1, 2]]])
def test_numbers_of_classes_are_not_read_as_truths(tmp_path: Path, cells: list[list[int]]) -> None:
    plain(tmp_path / "a.parquet", {"image": [encoded(noise(n)) for n in range(2)], "labels": cells})
    with pytest.raises(UserError, match=rf"^image 2: 'labels' lists {len(cells[1])} whole numbers for 2 labels"):
        read_records(tmp_path, labels=["x", "y"], lists="labels")
    plain(tmp_path / "a.parquet", {"image": [encoded(noise(n)) for n in range(2)], "labels": [[1, 0], None]})
    records = read_records(tmp_path, labels=["x", "y"], lists="labels")
    assert [r.labels for r in records] == [{"x": 1, "y": 0}, {"x": None, "y": None}]


def test_medgrafts_own_datasets_are_a_source(ingested: Ingested) -> None:
    asked = {"label": "label", "group": "group_id", "study": "study_id", "split": "split", "subgroups": ["site", "age"]}
    records = read_records(ingested.dataset / "data", **asked)
    rows, images = read_rows(ingested.dataset), dict(read_images(ingested.dataset))
    assert len(records) == rows.height == 220
    by_order = rows.sort("split", "image_id").iter_rows(named=True)
    for record, row in zip(sorted(records, key=lambda r: str(r.split)), by_order, strict=True):
        assert (record.split, record.group, record.study) == (row["split"], row["group_id"], row["study_id"])
        assert record.label == (None if row["split"] == "test" else ["healthy", "lesion"][row["label"]])
        assert record.subgroups == {"site": row["site"], "age": row["age"]}
        assert record.content is not None
        assert record.content.kept() == (images[row["image_id"]], "png")


def test_malaria_as_the_datasets_library_writes_it(tmp_path: Path) -> None:
    folder = shared_data("malaria_cells")
    table = pl.read_csv(folder / "labels.csv")
    files = [folder / "images" / f"{name}.png" for name in table["image_id"]]
    columns: dict[str, Sequence[Any]] = {
        "image": [{"bytes": file.read_bytes(), "path": None} for file in files],
        "label": [["Uninfected", "Parasitized"].index(name) for name in table["class_name"]],
        "patient": table["patient_id"].to_list(),
    }
    features = {"image": Image(), "label": ClassLabel(names=["Uninfected", "Parasitized"]), "patient": Value("string")}
    whole = datasets.Dataset.from_dict(dict(columns), features=datasets.Features(features))
    for number in range(2):
        whole.shard(2, number, contiguous=True).to_parquet(tmp_path / f"train-{number:05d}-of-00002.parquet")
    records = read_records(tmp_path, label="label", group="patient")
    assert [r.label for r in records] == table["class_name"].to_list()
    assert [r.group for r in records] == table["patient_id"].to_list()
    for record, file in zip(records[::97], files[::97], strict=True):
        assert record.content is not None
        assert record.content.digest() == ImageFile(file).digest()
        np.testing.assert_array_equal(load(record).array, ImageFile(file).load(LIMIT).array)


SCRIPT = """
import sys
from pathlib import Path
from medgraft.data.readers.parquet import read
from medgraft.data.readers.parquet_settings import ParquetSettings
def peak():  # not getrusage's, which begins with what the parent held
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
before = peak()
records = list(read(Path(sys.argv[1]), ParquetSettings(type="parquet", label="label")))
for record in reversed(records):
    assert len(record.content.read()) == 10_000
print(len(records), peak() - before)
"""


def test_a_large_row_group_is_read_in_little_memory(tmp_path: Path) -> None:
    """200 MB in a single row group, the images then asked for from the last to the first."""
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64())])
    images = [number.to_bytes(4, "big") * 2_500 for number in range(20_000)]
    with pq.ParquetWriter(tmp_path / "a.parquet", schema, compression="none", use_dictionary=False) as writer:
        writer.write_table(pa.table({"image": images, "label": list(range(20_000))}, schema))
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 1
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    records, grown = map(int, done.stdout.split())
    assert records == 20_000
    assert grown < 120, f"{grown} MB"
