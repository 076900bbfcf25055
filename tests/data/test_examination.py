from pathlib import Path

import pytest
from tests.data.sources import encoded, noise

from medgraft.data.content import BadImageError
from medgraft.data.examination import content_digests, examine_all
from medgraft.data.images import ImageFile, read_file
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
    before = content_digests(records)
    assert before[1:] == ["missing", "missing"]
    good.write_bytes(good.read_bytes() + b"x")
    assert content_digests(records)[0] != before[0]


def test_a_missing_file_is_a_bad_image(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="file missing"):
        read_file(tmp_path / "none.png")


def test_findings_are_present_absent_or_unknown(good: Path) -> None:
    told = [{"mass": 1}, {"edema": 0, "mass": None}, {"edema": 1, "mass": 0, "hernia": 1}]
    records = [Record("r", ImageFile(good), labels=labels, group="p") for labels in told]
    found = examine_all(records, FINDINGS, grouped=True)
    assert [row.label for row in found.rows] == [(None, 1), (0, None), (1, 0)]
    nothing = [
        Record("r", ImageFile(good), labels=labels, group="p") for labels in ({"hernia": 1}, {"mass": None}, None)
    ]
    assert [why for _, why in examine_all(nothing, FINDINGS, grouped=True).quarantined] == ["no label"] * 3
