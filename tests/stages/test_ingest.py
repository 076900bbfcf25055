"""Bad input is counted, nobody straddles splits, nothing that names a person is written."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.sources import (
    CLASSES,
    Row,
    encoded,
    folder_bytes,
    noise,
    run_ingest,
    splits_of_groups,
    write_table,
)
from tests.shared import shared_data

from medgraft.data.dataset import read_images, read_rows, read_sealed
from medgraft.data.examination import examine
from medgraft.data.images import decode_raster
from medgraft.errors import UserError
from medgraft.stages import ingest

PHANTOM = {"path": "file", "label": "finding", "group": "patient_id", "subgroups": ["site", "age"]}


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
    assert splits_of_groups(found).to_list() == [1] * 110
    sealed = read_sealed(found.sealed)
    truth = {_image_id(source / row["file"]): CLASSES.index(row["finding"]) for row in rows}
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
    assert folder_bytes(other.dataset, other.sealed) == folder_bytes(first.dataset, first.sealed)
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
    assert b"a secret of at least" not in folder_bytes(tmp_path / "b")


def _image_id(path: Path) -> str:
    return examine(decode_raster(path.read_bytes(), 100)).image_id


def _write(content: bytes) -> Callable[[Path], None]:
    return lambda path: _put(path, content)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _floats() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise(8).astype(np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


DIRT: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated PNG": (lambda p: _put(p, p.read_bytes()[:50]), "truncated or damaged"),
    "truncated JPEG": (_write(encoded(noise(7, 32), "JPEG")[:-40]), "truncated or damaged"),
    "zero bytes": (_write(b""), "empty file"),
    "text": (_write(b"ERROR 0x8007: not exported\n"), "not an image that can be read"),
    "too many pixels": (
        _write(encoded(np.zeros((400, 400), np.uint8))),
        "more pixels than dataset.max_pixels = 100000",
    ),
    "floats": (_write(_floats()), "pixels that are not whole numbers"),
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
    assert "  - 12 x file missing: labels.csv row 1, labels.csv row 2, labels.csv row 3, …\n" in str(caught.value)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["plan"]


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
    none = {"labels": dict.fromkeys(CLASSES, 0), "unknown": dict.fromkeys(CLASSES, 10)}
    assert found.card["splits"]["unlabelled"] == {"images": 10, "groups": 10} | none
    assert read_rows(found.dataset, ["unlabelled"])["label"].null_count() == 10
    assert found.quality["quarantined"] == []


def test_malaria_cells(tmp_path: Path) -> None:
    folder = shared_data("malaria_cells")
    reader = {"path": "images/{image_id}.png", "label": "class_name", "group": "patient_id"}
    found = run_ingest(folder, tmp_path / "out", reader, classes=["Uninfected", "Parasitized"])
    quality = found.quality
    assert quality["rows"] == 4000
    assert quality["kept"] > 0.99 * 4000
    groups = splits_of_groups(found)
    assert set(groups) == {1}
    assert len(groups) + quality["merged_groups"] == 200
    assert found.card["scored"] == ["Parasitized"]
