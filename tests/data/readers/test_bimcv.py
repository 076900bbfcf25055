import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.mids import MidsImage
from medgraft.data.readers import Record
from medgraft.data.readers.bimcv import BimcvSettings, read
from medgraft.errors import UserError

FINDINGS = {"COVID": ["COVID 19"], "pneumonia": ["Pneumonia", "suture material"]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    layouts.bimcv(tmp_path)
    return tmp_path


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, BimcvSettings(type="bimcv", **settings)))


def _labels(source: Path, **settings: Any) -> list[tuple[int | None, ...]]:
    """Truths of the first image of each patient."""
    return [tuple((record.labels or {}).values()) for record in _read(source, **settings)[::2]]


def test_an_image_is_a_record(source: Path) -> None:
    records = _read(source, findings=FINDINGS)
    assert len(records) == 12
    assert records[1] == Record(
        reference="file 2",
        content=MidsImage(source / "sub-S03000/ses-E06000/mod-rx/sub-S03000_ses-E06000_run-1_bp-chest_vp-pa_dx.png"),
        labels={"COVID": 1, "pneumonia": 1},
        group="sub-S03000",
        study="sub-S03000/ses-E06000",
        subgroups={"age": 60, "sex": "M", "view": "pa", "modality": "dx"},
    )
    settings = BimcvSettings(type="bimcv", findings=FINDINGS)
    assert (settings.grouped, settings.labels) == (True, ["COVID", "pneumonia"])
    assert settings.subgroup_columns == list(records[0].subgroups)


def test_what_reports_say(source: Path) -> None:
    # In turn: COVID 19 and pneumonia; normal; COVID 19 uncertain and a suture; unchanged; as the first; no report.
    assert _labels(source, findings=FINDINGS) == [(1, 1), (0, 0), (None, 1), (None, None), (1, 1), (None, None)]
    assert _labels(source, findings=FINDINGS, uncertain="ones")[2] == (1, 1)
    assert _labels(source, findings=FINDINGS, uncertain="zeros", blank="zeros")[2:] == [
        *[(0, 1), (None, None), (1, 1), (0, 0)]
    ]


def test_one_class_an_image(source: Path) -> None:
    records = _read(source, findings={"COVID": ["COVID 19"]}, otherwise="other")
    assert [record.label for record in records[::2]] == ["COVID", "other", None, None, "COVID", None]
    assert {record.labels for record in records} == {None}
    several = _read(source, findings=FINDINGS, otherwise="other")[0]
    assert (several.label, several.problem) == (None, "labels of more than one class")
    assert BimcvSettings(type="bimcv", findings=FINDINGS, otherwise="other").labels is None


def test_a_misspelled_label_is_a_mistake(source: Path) -> None:
    with pytest.raises(UserError, match=r"COVID: no report has the label 'COVID-19' \(did you mean 'covid 19'\?\)"):
        _read(source, findings={"COVID": ["COVID-19"]})


def test_labels_that_cannot_be_read(source: Path) -> None:
    table = source / layouts.BIMCV_LABELS
    table.write_text(table.read_text().replace("['normal']", "normal"))
    assert [r.problem for r in _read(source, findings=FINDINGS)][:4] == [
        None,
        None,
        *["labels that are not a list"] * 2,
    ]


def test_both_sets_side_by_side(tmp_path: Path) -> None:
    layouts.bimcv(tmp_path / "bimcv-")
    layouts.bimcv(tmp_path / "bimcv+/bimcv_covid19_posi_subjects_1", patients=4)
    records = _read(tmp_path, arms={"negative": "bimcv-", "positive": "bimcv+"})
    assert [record.label for record in records] == ["positive"] * 8 + ["negative"] * 12
    assert {(record.labels, record.problem) for record in records} == {(None, None)}
    assert records[0].group == records[8].group


def test_images_are_shown_as_their_headers_say(source: Path) -> None:
    records = _read(source, findings=FINDINGS)
    assert {record.content.load(10_000).array.dtype.name for record in records if record.content} == {"uint8"}
    as_it_is = _read(source, findings=FINDINGS, rendering="none")[0].content
    assert isinstance(as_it_is, ImageFile)
    assert as_it_is.load(10_000).array.dtype.name == "uint16"


def test_without_participants(source: Path) -> None:
    (source / "participants.tsv").unlink()
    assert _read(source, findings=FINDINGS)[0].subgroups == {"age": None, "sex": None, "view": "ll", "modality": "cr"}


def test_nothing_downloaded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folders sub-"):
        _read(tmp_path, findings=FINDINGS)
    (tmp_path / "sub-S1/ses-E1/mod-rx").mkdir(parents=True)
    with pytest.raises(UserError, match="unpack the archive with derivatives/"):
        _read(tmp_path, findings=FINDINGS)


def test_headers_that_lead_out(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    header = next(source.rglob("*_dx.json"))
    header.rename(outside := tmp_path_factory.mktemp("outside") / "a.json")
    header.symlink_to(outside)
    problems = {record.problem for record in _read(source, findings=FINDINGS)}
    assert problems == {None, "the path is empty or leads out of the source"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "either which labels"),
        ({"findings": FINDINGS, "arms": {"a": "b"}}, "either which labels"),
        ({"arms": {"a": "b"}, "otherwise": "c"}, "`otherwise` goes with `findings`"),
        ({"findings": FINDINGS, "otherwise": "COVID"}, "`otherwise` is among the classes"),
        ({"findings": {"COVID": []}}, "at least 1 item"),
        ({"arms": {"a": "/etc"}}, "below the source"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BimcvSettings(type="bimcv", **settings)


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_a_pipe_is_not_waited_for(source: Path, suffix: str) -> None:
    path = next(source.glob(f"**/mod-rx/*{suffix}"))
    path.unlink()
    os.mkfifo(path)
    records = _read(source, findings=FINDINGS)
    assert [r.content for r in records if r.problem == "not a regular file"] == [None]
    assert len(records) == 12
