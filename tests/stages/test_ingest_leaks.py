"""Nobody straddles splits, no test label and nothing that names a person is written."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, PngImagePlugin
from tests.data.sources import (
    Row,
    encoded,
    folder_bytes,
    noise,
    run_ingest,
    splits_of_groups,
    write_table,
)

from medgraft.data.dataset import patients, read_images, read_rows
from medgraft.data.examination import examine
from medgraft.data.identity import group_key
from medgraft.data.images import decode, decode_raster
from medgraft.data.overlap import exposure
from medgraft.data.phantom import write_phantoms
from medgraft.errors import UserError

PHANTOM = {"path": "file", "label": "finding", "group": "patient_id", "subgroups": ["site", "age"]}


def test_a_patient_in_two_official_splits_fails(source: Path, rows: list[Row], tmp_path: Path) -> None:
    for number, row in enumerate(rows):
        row["set"] = ("train", "train", "validation", "test")[number // 4 % 4]
    rows[13]["set"] = "train"  # row 13 of the same patient, p006, is in test
    write_table(source, rows)
    with pytest.raises(UserError, match="would leak") as caught:
        run_ingest(source, tmp_path / "out", {"split": "set"})
    assert "labels.csv row 13 (test) and labels.csv row 14 (train) are of one patient" in str(caught.value)
    assert "p006" not in str(caught.value)
    rows[13]["set"] = "test"
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out", {"split": "set"})
    official = {f"labels.csv row {n}": row["set"] for n, row in enumerate(rows, start=1)}
    told = read_rows(found.dataset, ["train", "validation"])
    sealed = pl.read_parquet(found.sealed / "labels.parquet")
    assert (
        dict(told.select("source_uri", "split").iter_rows()) | dict.fromkeys(sealed["source_uri"], "test") == official
    )


def test_the_same_image_in_two_official_splits_fails(source: Path, rows: list[Row], tmp_path: Path) -> None:
    for number, row in enumerate(rows):
        row["set"] = ("train", "train", "validation", "test")[number // 4 % 4]
    pixels = decode((source / rows[0]["file"]).read_bytes())
    (source / rows[12]["file"]).write_bytes(encoded(pixels))  # as RGB: other bytes, the same image
    write_table(source, rows)
    with pytest.raises(UserError, match="the same image in two official splits") as caught:
        run_ingest(source, tmp_path / "out", {"split": "set"})
    assert "labels.csv row 1 (train) and labels.csv row 13 (test)" in str(caught.value)


def test_patients_who_share_an_image_stay_together(source: Path, rows: list[Row], tmp_path: Path) -> None:
    for number in range(0, 40, 8):  # five pairs of healthy patients share a picture
        shutil.copyfile(source / rows[number]["file"], source / rows[number + 4]["file"])
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out", split={"validation": 0.25, "test": 0.25})
    assert found.quality["merged_groups"] == 5
    assert len(found.quality["duplicates"]) == 5
    assert splits_of_groups(found).to_list() == [1] * 105
    # All 110 patients are still known by their own ids, so that weights that saw one of them can be told.
    splits = ["train", "validation", "test"]
    key = group_key("public")
    assert patients(found.dataset, splits) == {key.group_id(row["patient"]) for row in rows}
    assert len(exposure(found.dataset, splits)["groups"]) == 110


def test_a_folder_source_tells_no_test_label(source: Path, rows: list[Row], tmp_path: Path) -> None:
    folders = tmp_path / "folders"
    for row in rows:
        place = folders / row["finding"] / Path(row["file"]).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["file"], place)
    found = run_ingest(folders, tmp_path / "out", {"type": "folder", "group_pattern": r"(p\d+)_"})
    assert found.card["splits"]["test"]["groups"] == 22
    # Files stand in the order of their classes, so even a test row's number would tell its label.
    assert read_rows(found.dataset, ["test"])["source_uri"].null_count() == found.card["splits"]["test"]["images"]
    sealed = pl.read_parquet(found.sealed / "labels.parquet")
    assert all(re.fullmatch(r"file \d+", where) for where in sealed["source_uri"])


def test_nothing_hidden_in_a_file_is_kept(source: Path, rows: list[Row], tmp_path: Path) -> None:
    secret = b"MRN-7654321"
    info = PngImagePlugin.PngInfo()
    info.add_text("PatientName", secret.decode())
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    pixels = [noise(5000 + i, 24, 3) for i in range(2)]
    files = [
        encoded(pixels[0], "PNG", pnginfo=info, exif=exif) + secret,
        encoded(pixels[1], "JPEG", comment=secret, exif=exif) + secret,
    ]
    for row, content in zip(rows, files, strict=False):
        assert content.count(secret) == 3
        (source / row["file"]).write_bytes(content)
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out")
    images = dict(read_images(found.dataset))
    assert not any(secret in raw for raw in images.values())
    assert secret not in folder_bytes(found.dataset, found.sealed)
    for content in files:
        np.testing.assert_array_equal(decode(images[examine(decode_raster(content, 1000)).image_id]), decode(content))


def test_no_identifier_of_a_phantom_export_is_written(tmp_path: Path) -> None:
    export = write_phantoms(tmp_path / "export", patients=110, size=32)
    table = pl.read_csv(export.folder / "labels.csv")
    found = run_ingest(export.folder, tmp_path / "out", PHANTOM)
    quality = found.quality
    assert quality["rows"] == export.rows == quality["kept"] + len(quality["quarantined"]) + len(quality["duplicates"])
    assert len(quality["duplicates"]) == export.planted["duplicates"]
    assert len(quality["quarantined"]) == 5
    assert set(splits_of_groups(found)) == {1}
    images = [raw for _, raw in read_images(found.dataset)]
    frames = [pl.read_parquet(p) for p in sorted((found.dataset / "data").glob("*.parquet"))]
    frames.append(pl.read_parquet(found.sealed / "labels.parquet"))
    text = [frame.drop("image", strict=False).write_csv().encode() for frame in frames]  # Parquet is compressed
    text += [p.read_bytes() for f in (found.dataset, found.sealed) for p in f.rglob("*.json")]
    everything = b"\n".join([folder_bytes(found.dataset, found.sealed), *images, *text])
    assert b"MRN" not in everything
    for column in ("patient_id", "study_date", "file"):
        for value in table[column].unique():
            assert str(value).encode() not in everything
            assert Path(str(value)).stem.encode() not in everything
            assert str(value).removeprefix("MRN-").encode() not in everything
