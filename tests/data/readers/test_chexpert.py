from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.chexpert import PATHOLOGIES, ChexpertSettings, read


@pytest.fixture
def source(tmp_path: Path) -> Path:
    layouts.chexpert(tmp_path)
    return tmp_path


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, ChexpertSettings(type="chexpert", **settings)))


def _truths(source: Path, **settings: Any) -> tuple[dict[str, int | None], ...]:
    """Labels of an effusion with uncertain edema, of devices without pneumothorax, and of No Finding."""
    records = [record for record in _read(source, **settings) if record.reference.startswith("train")]
    return tuple(dict(record.labels or {}) for record in records[::2][:3])


def test_as_downloaded(source: Path) -> None:
    records = _read(source)
    assert len(records) == 12 + 4
    assert records[3] == Record(
        reference="train.csv row 4",
        content=ImageFile(source / "train/patient00002/study1/view1_lateral.jpg"),
        labels=dict.fromkeys([*PATHOLOGIES, "Support Devices"]) | {"Support Devices": 1, "Pneumothorax": 0},
        group="patient00002",
        study="patient00002/study1",
        split="train",
        subgroups={"age": 42, "sex": "Female", "view": "Lateral", "projection": None},
    )
    assert [record.split for record in records] == ["train"] * 12 + ["test"] * 4
    settings = ChexpertSettings(type="chexpert")
    assert settings.grouped
    assert set(settings.labels) == set(layouts.CHEXPERT) - {"No Finding"}
    assert settings.subgroup_columns == list(records[0].subgroups)


def test_uncertain_and_blank_by_name(source: Path) -> None:
    effusion, devices, _ = _truths(source)
    assert (effusion["Pleural Effusion"], effusion["Edema"], effusion["Fracture"]) == (1, None, None)
    assert (devices["Support Devices"], devices["Pneumothorax"]) == (1, 0)
    effusion, devices, _ = _truths(source, uncertain="ones", blank="zeros")
    assert (effusion["Edema"], effusion["Fracture"], devices["Edema"]) == (1, 0, 0)
    assert _truths(source, uncertain="zeros")[0]["Edema"] == 0


@pytest.mark.parametrize("blank", ["unknown", "zeros"])
def test_no_finding_makes_pathologies_absent_but_not_devices(source: Path, blank: str) -> None:
    healthy = _truths(source, blank=blank)[2]
    assert healthy == dict.fromkeys(PATHOLOGIES, 0) | {"Support Devices": 0 if blank == "zeros" else None}


def test_rows_that_contradict_themselves_or_say_something_else(source: Path) -> None:
    table = source / "train.csv"
    lines = table.read_text().splitlines()
    lines[5] = lines[5].replace("1.0,,,", "1.0,,1.0,", 1)  # No Finding, and an enlarged heart
    lines[1] = lines[1].replace("-1.0", "maybe")
    lines[3] = lines[3].replace("Frontal,AP,,", "Frontal,AP,none,")
    lines[2] = lines[2].replace("CheXpert-v1.0-small/train/patient00001/study1", "somewhere")
    table.write_text("\n".join(lines))
    assert [record.problem for record in _read(source)[:6]] == [
        "a label that is not 1, 0, -1 or blank",
        "the path is empty or leads out of the source",
        "a label that is not 1, 0, -1 or blank",
        None,
        "a finding beside the word for no finding",
        None,
    ]


def test_views_and_splits(source: Path) -> None:
    frontal = _read(source, frontal_only=True)
    assert {record.subgroups["view"] for record in frontal} == {"Frontal"}
    assert [record.reference for record in frontal][:2] == ["train.csv row 1", "train.csv row 3"]
    assert {record.split for record in _read(source, official_split=False)} == {None}
    assert {r.split for r in _read(source, split_values={"valid": "validation"})} == {"train", "validation"}
