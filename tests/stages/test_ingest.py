"""Bad input is counted, nobody straddles splits, nothing that names a person is written."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, PngImagePlugin
from tests.data.sources import CLASSES, Ingested, Row, encoded, noise, run_ingest, write_images, write_table
from tests.shared import shared_data

from medgraft.data.dataset import patients, read_images, read_rows, read_sealed
from medgraft.data.identity import group_key
from medgraft.data.images import decode, examine
from medgraft.data.overlap import exposure
from medgraft.data.phantom import write_phantoms
from medgraft.errors import UserError
from medgraft.stages import ingest

PHANTOM = {"path": "file", "label": "finding", "group": "patient_id", "subgroups": ["site", "age"]}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    folder = tmp_path_factory.mktemp("template")
    return folder, write_images(folder)


@pytest.fixture
def source(template: tuple[Path, list[Row]], tmp_path: Path) -> Path:
    return shutil.copytree(template[0], tmp_path / "source")


@pytest.fixture
def rows(template: tuple[Path, list[Row]]) -> list[Row]:
    return [dict(row) for row in template[1]]


def _splits_of_groups(ingested: Ingested) -> pl.Series:
    return read_rows(ingested.dataset).group_by("group_id").agg(pl.col("split").n_unique())["split"]


def _bytes(*folders: Path) -> bytes:
    return b"\n".join(p.read_bytes() for folder in folders for p in sorted(folder.rglob("*")) if p.is_file())


def test_a_clean_source(source: Path, rows: list[Row], tmp_path: Path) -> None:
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out")
    assert found.how == "built"
    card, table = found.card, read_rows(found.dataset)
    assert {name: split["groups"] for name, split in card["splits"].items()} == {
        "train": 66,
        "validation": 22,
        "test": 22,
    }
    assert sum(split["images"] for split in card["splits"].values()) == len(table) == 220
    assert (card["scored"], card["unscored"], card["warnings"], card["channels"]) == (["lesion"], {}, [], 1)
    assert _splits_of_groups(found).to_list() == [1] * 110
    sealed = read_sealed(found.sealed)
    truth = {examine((source / row["file"]).read_bytes(), 100).image_id: CLASSES.index(row["finding"]) for row in rows}
    labels = dict(zip(table["image_id"], table["label"], strict=True))
    assert labels | sealed == truth
    assert "220 rows: 220 kept, 0 quarantined, 0 duplicates dropped" in ingest.summary(found.dataset)


def test_same_source_same_bytes_and_finished_work_is_not_repeated(
    source: Path, rows: list[Row], tmp_path: Path
) -> None:
    write_table(source, rows)
    first = run_ingest(source, tmp_path / "a")
    again = run_ingest(source, tmp_path / "a")
    assert again.how == "up to date"
    other = run_ingest(shutil.copytree(source, tmp_path / "moved"), tmp_path / "b")
    assert _bytes(other.dataset, other.sealed) == _bytes(first.dataset, first.sealed)
    shutil.rmtree(first.dataset)
    assert run_ingest(source, tmp_path / "a").how == "restored"
    (source / rows[0]["file"]).write_bytes(encoded(noise(987654)))
    assert run_ingest(source, tmp_path / "a").how == "built"


def test_the_split_depends_neither_on_the_order_of_rows_nor_on_the_key(
    source: Path, rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(source, rows)
    first = run_ingest(source, tmp_path / "a")
    write_table(source, rows[::-1])
    monkeypatch.setenv("KEY_OF_TEST", "a secret of at least 16 characters")
    second = run_ingest(source, tmp_path / "b", group_key="env:KEY_OF_TEST")
    splits = [dict(read_rows(f.dataset).select("image_id", "split").iter_rows()) for f in (first, second)]
    assert splits[0] == splits[1]
    assert first.card["key_id"] != second.card["key_id"]
    assert not set(read_rows(first.dataset)["group_id"]) & set(read_rows(second.dataset)["group_id"])
    assert b"a secret of at least" not in _bytes(tmp_path / "b")


def _write(content: bytes) -> Callable[[Path], None]:
    return lambda path: _put(path, content)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


DIRT: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated PNG": (lambda p: _put(p, p.read_bytes()[:50]), "truncated or damaged"),
    "truncated JPEG": (_write(encoded(noise(7, 32), "JPEG")[:-40]), "truncated or damaged"),
    "zero bytes": (_write(b""), "empty file"),
    "text": (_write(b"ERROR 0x8007: not exported\n"), "not an image that can be read"),
    "too many pixels": (
        _write(encoded(np.zeros((400, 400), np.uint8))),
        "more pixels than dataset.max_pixels = 100000",
    ),
    "16 bits": (_write(encoded(noise(8).astype(np.uint16) * 257)), "more than 8 bits a channel"),
    "animated": (
        _write(encoded(noise(9), "GIF", save_all=True, append_images=[Image.fromarray(noise(10))])),
        "more than one frame",
    ),
    "missing": (Path.unlink, "file missing"),
}


def test_dirt_is_quarantined_with_its_reason_and_the_counts_add_up(
    source: Path, rows: list[Row], tmp_path: Path
) -> None:
    expected = {}
    for number, (spoil, reason) in enumerate(DIRT.values()):
        spoil(source / rows[number * 4]["file"])
        expected[f"labels.csv row {number * 4 + 1}"] = reason
    rows[100]["finding"] = ""
    rows[104]["finding"] = "leison"
    rows[108]["patient"] = ""
    rows[112]["file"] = "../labels.csv"
    expected |= {
        "labels.csv row 101": "no label",
        "labels.csv row 105": "label not among dataset.classes (did you mean 'lesion'?)",
        "labels.csv row 109": "no patient",
        "labels.csv row 113": "the path is empty or leads out of the source",
    }
    shutil.copyfile(source / rows[150]["file"], source / "images/copy.png")
    rows.append(rows[150] | {"file": "images/copy.png"})
    shutil.copyfile(source / rows[160]["file"], source / "images/contradiction.png")
    rows.append(rows[160] | {"file": "images/contradiction.png", "finding": CLASSES[1 - 160 // 2 % 2]})
    expected |= dict.fromkeys(("labels.csv row 161", "labels.csv row 222"), "the same pixels carry different labels")
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out", max_pixels=100_000, max_quarantined=0.1)
    quality = found.quality
    reasons = {item["source_uri"]: item["reason"] for item in quality["quarantined"]}
    assert set(reasons) == set(expected)
    for where, reason in expected.items():
        assert reasons[where].startswith(reason)
    assert quality["duplicates"] == [{"source_uri": "labels.csv row 221", "of": "labels.csv row 151"}]
    assert quality["rows"] == 222 == quality["kept"] + len(quality["quarantined"]) + len(quality["duplicates"])
    assert quality["kept"] == len(read_rows(found.dataset)) == len(list(read_images(found.dataset)))
    assert sum(quality["reasons"].values()) == len(expected)


def test_too_much_dirt_fails_and_leaves_nothing(source: Path, rows: list[Row], tmp_path: Path) -> None:
    for row in rows[:12]:
        (source / row["file"]).unlink()
    write_table(source, rows)
    with pytest.raises(UserError, match=r"12 of 220 rows \(5.5%\) are quarantined, .*max_quarantined = 5%") as caught:
        run_ingest(source, tmp_path / "out")
    assert "labels.csv row 12: file missing" in str(caught.value)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["plan"]


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
    assert _splits_of_groups(found).to_list() == [1] * 105
    # All 110 patients are still known by their own ids, so that weights that saw one of them can be told.
    splits = ["train", "validation", "test"]
    key = group_key("public")
    assert patients(found.dataset, splits) == {key.group_id(row["patient"]) for row in rows}
    assert len(exposure(found.dataset, splits)["groups"]) == 110


def test_a_class_that_is_missing_or_too_rare_fails(source: Path, rows: list[Row], tmp_path: Path) -> None:
    few = [row for row in rows if row["finding"] == "healthy" or row["patient"] < "p004"]
    write_table(source, few)
    with pytest.raises(UserError, match="too small to train and choose on") as caught:
        run_ingest(source, tmp_path / "out")
    assert "cannot be scored" in str(caught.value)
    assert "add patients" in str(caught.value)
    assert not (tmp_path / "out" / "dataset").exists()
    write_table(source, [row for row in rows if row["finding"] == "healthy"])
    with pytest.raises(UserError, match="class 'lesion' has no image in train"):
        run_ingest(source, tmp_path / "out")


def test_without_patients_every_report_is_warned(source: Path, rows: list[Row], tmp_path: Path) -> None:
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out", {"group": None}, ungrouped=True)
    [warning] = found.card["warnings"]
    assert "images of one patient may lie in both train and test" in warning
    assert read_rows(found.dataset)["group_id"].n_unique() == 220
    assert any(warning in line for line in ingest.summary(found.dataset))


def test_unlabelled_images_can_be_kept_apart(source: Path, rows: list[Row], tmp_path: Path) -> None:
    for row in rows[:20:2]:
        row["finding"] = ""
    write_table(source, rows)
    found = run_ingest(source, tmp_path / "out", unlabelled="keep")
    assert found.card["splits"]["unlabelled"] == {"images": 10, "groups": 10, "labels": dict.fromkeys(CLASSES, 0)}
    assert read_rows(found.dataset, ["unlabelled"])["label"].null_count() == 10
    assert found.quality["quarantined"] == []


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
    assert secret not in _bytes(found.dataset, found.sealed)
    for content in files:
        np.testing.assert_array_equal(decode(images[examine(content, 1000).image_id]), decode(content))


def test_no_identifier_of_a_phantom_export_is_written(tmp_path: Path) -> None:
    export = write_phantoms(tmp_path / "export", patients=110, size=32)
    table = pl.read_csv(export.folder / "labels.csv")
    found = run_ingest(export.folder, tmp_path / "out", PHANTOM)
    quality = found.quality
    assert quality["rows"] == export.rows == quality["kept"] + len(quality["quarantined"]) + len(quality["duplicates"])
    assert len(quality["duplicates"]) == export.planted["duplicates"]
    assert len(quality["quarantined"]) == 5
    assert set(_splits_of_groups(found)) == {1}
    images = [raw for _, raw in read_images(found.dataset)]
    frames = [pl.read_parquet(p) for p in sorted((found.dataset / "data").glob("*.parquet"))]
    frames.append(pl.read_parquet(found.sealed / "labels.parquet"))
    text = [frame.drop("image", strict=False).write_csv().encode() for frame in frames]  # Parquet is compressed
    text += [p.read_bytes() for f in (found.dataset, found.sealed) for p in f.rglob("*.json")]
    everything = b"\n".join([_bytes(found.dataset, found.sealed), *images, *text])
    assert b"MRN" not in everything
    for column in ("patient_id", "study_date", "file"):
        for value in table[column].unique():
            assert str(value).encode() not in everything
            assert Path(str(value)).stem.encode() not in everything
            assert str(value).removeprefix("MRN-").encode() not in everything


def test_malaria_cells(tmp_path: Path) -> None:
    folder = shared_data("malaria_cells")
    reader = {"path": "images/{image_id}.png", "label": "class_name", "group": "patient_id"}
    found = run_ingest(folder, tmp_path / "out", reader, classes=["Uninfected", "Parasitized"])
    quality = found.quality
    assert quality["rows"] == 4000
    assert quality["kept"] > 0.99 * 4000
    groups = _splits_of_groups(found)
    assert set(groups) == {1}
    assert len(groups) + quality["merged_groups"] == 200
    assert found.card["scored"] == ["Parasitized"]
