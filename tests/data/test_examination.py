import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.data.sources import encoded, noise

from medgraft.data.arrays import ImageArray, VolumeArray
from medgraft.data.content import BadImageError, Content
from medgraft.data.duplicates import resolve
from medgraft.data.examination import Examined, content_digests, examine_all, stored_bytes
from medgraft.data.images import ImageFile, decode, read_file
from medgraft.data.mids import MidsImage
from medgraft.data.readers import Record
from medgraft.params import Dataset

DATASET = Dataset(name="a", source=".", reader={}, task="binary", classes=["healthy", "lesion"])

FINDINGS = DATASET.model_copy(update={"task": "multilabel", "classes": ["edema", "mass"]})


def _record(file: Path, label: str | None, group: str | None) -> Record:
    return Record("r", ImageFile(file), label, group=group)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good.png").write_bytes(encoded(noise(1)))
    return tmp_path / "good.png"


def test_usable_rows_get_their_label_and_group(good: Path) -> None:
    found = examine_all([_record(good, "lesion", "p1"), _record(good, "healthy", "p2")], DATASET, grouped=True)
    assert [(row.label, row.group) for row in found.rows] == [(1, "p1"), (0, "p2")]
    assert found.quarantined == []
    assert list(found.images) == [found.rows[0].image_id]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("r", problem="a link that leads out of the source"), "a link that leads out"),
        (_record(Path("/nowhere/x.png"), "lesion", "p"), "file missing"),
        (_record(Path("/"), "lesion", "p"), "file cannot be read (IsADirectoryError)"),
        (_record(Path("good.png"), None, "p"), "no label"),
        (_record(Path("good.png"), "leison", "p"), "label not among dataset.classes (did you mean 'lesion'?)"),
        (_record(Path("good.png"), "lesion", None), "no patient"),
    ],
)
def test_other_rows_have_a_reason(good: Path, record: Record, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(good.parent)
    found = examine_all([record], DATASET, grouped=True)
    assert found.rows == []
    [(where, why)] = found.quarantined
    assert where == "r"
    assert why.startswith(reason)


def test_unlabelled_images_can_be_kept(good: Path) -> None:
    keep = DATASET.model_copy(update={"unlabelled": "keep"})
    assert [row.label for row in examine_all([_record(good, None, "p")], keep, grouped=True).rows] == [None]


def test_without_patients_every_image_is_a_group_of_its_own(good: Path) -> None:
    [row] = examine_all([_record(good, "lesion", "p")], DATASET, grouped=False).rows
    assert row.group == row.image_id


def test_digests_change_with_the_file(good: Path) -> None:
    records = [_record(good, "lesion", "p"), Record("b"), _record(good.with_name("none"), "lesion", "p")]
    before = list(content_digests(records))
    assert before[1:] == ["missing", "missing"]
    good.write_bytes(good.read_bytes() + b"x")
    assert next(content_digests(records)) != before[0]


def test_a_missing_file_is_a_bad_image(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="file missing"):
        read_file(tmp_path / "none.png")


def test_findings_are_present_absent_or_unknown(good: Path) -> None:
    told: list[dict[str, int | None]] = [{"mass": 1}, {"edema": 0, "mass": None}, {"edema": 1, "mass": 0, "hernia": 1}]
    records = [Record("r", ImageFile(good), labels=labels, group="p") for labels in told]
    found = examine_all(records, FINDINGS, grouped=True)
    assert [row.label for row in found.rows] == [(None, 1), (0, None), (1, 0)]
    nothing = [
        Record("r", ImageFile(good), labels=labels, group="p") for labels in ({"hernia": 1}, {"mass": None}, None)
    ]
    assert [why for _, why in examine_all(nothing, FINDINGS, grouped=True).quarantined] == ["no label"] * 3


GREEN = np.zeros((4, 5, 3), np.uint8) + np.array([0, 200, 0], np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        ImageArray(partial(np.zeros, (4, 5), np.uint8)),
        ImageArray(partial(np.full, (4, 5), 3000, np.uint16)),
        ImageArray(lambda: GREEN),
        ImageArray(partial(np.full, (1, 1), 7, np.uint8)),
        VolumeArray(partial(np.full, (4, 5, 6), -1000, np.int16), (1, 1, 1)),
        VolumeArray(partial(np.zeros, (1, 1, 3), np.float32), (1, 1, 1)),
    ],
)
def test_one_value_everywhere_identifies_nobody(content: Content) -> None:
    """Two patients' empty frames are no copies that join them, nor do they make official splits leak."""
    rows = [
        Record("a", content, "lesion", group="p", split="train"),
        Record("b", content, "lesion", group="q", split="test"),
    ]
    found = examine_all(rows, DATASET, grouped=True)
    assert found.rows == []
    assert found.quarantined == [(where, "no contrast: every pixel has the same value") for where in "ab"]


def test_one_other_pixel_is_contrast() -> None:
    gray, colour, volume = np.zeros((4, 5), np.uint8), GREEN.copy(), np.zeros((4, 5, 3), np.int16)
    gray[-1, -1] = colour[-1, -1, 0] = volume[-1, -1, -1] = 1
    contents: list[Content] = [
        ImageArray(lambda: gray),
        ImageArray(lambda: colour),
        VolumeArray(lambda: volume, (1, 1, 1)),
    ]
    records = [Record("r", content, "lesion") for content in contents]
    assert len(examine_all(records, DATASET, grouped=False).rows) == 3


@pytest.mark.parametrize("unlabelled", [0, 1])
def test_a_copy_is_stored_by_what_was_done_to_it(tmp_path: Path, unlabelled: int) -> None:
    """The picture as it is, and a copy stored inverted whose header says so: whichever stays is stored upright."""
    pixels = noise(1)
    (tmp_path / "plain.png").write_bytes(encoded(pixels))
    (tmp_path / "inverted.png").write_bytes(encoded(255 - pixels))
    tags = {"00280004": {"vr": "CS", "Value": ["MONOCHROME1"]}, "00280101": {"vr": "US", "Value": [8]}}
    (tmp_path / "inverted.json").write_text(json.dumps(tags))
    contents: list[Content] = [ImageFile(tmp_path / "plain.png"), MidsImage(tmp_path / "inverted.png")]
    keep = DATASET.model_copy(update={"unlabelled": "keep"})
    for order in (contents, contents[::-1]):
        labels = [None if number == unlabelled else "lesion" for number in range(2)]
        found = examine_all(
            [Record("r", c, label) for c, label in zip(order, labels, strict=True)], keep, grouped=False
        )
        [row] = resolve(found.rows).rows
        assert row.record.content is order[1 - unlabelled]
        raw, _ = stored_bytes(row.record.content, found.images[row.image_id], None, 100)
        assert (decode(raw)[:, :, 0] == pixels).all()


@pytest.mark.parametrize(
    ("shape", "phash", "large"),
    [
        ((4000, 4000, 3), 1, False),
        ((4001, 4000, 1), 1, True),
        ((250, 250, 256), None, False),
        ((300, 300, 200), None, True),
    ],
)
def test_large_is_told_by_pixels_or_voxels(shape: tuple[int, int, int], phash: int | None, large: bool) -> None:
    assert Examined("0" * 32, shape, "", (), 0.0, None, phash).large == large
