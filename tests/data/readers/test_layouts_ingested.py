"""Each public layout goes through ingestion: no image is lost on the way, and patients stay whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.data import layouts
from tests.data.sources import run_ingest, splits_of_groups


@dataclass(frozen=True)
class Case:
    """A stand-in with so many patients, how it is read, and how many images it has."""

    make: Callable[[Path, int], None]
    patients: int
    images: int
    reader: dict[str, Any]
    task: str
    classes: list[str]
    dataset: dict[str, Any] = field(default_factory=dict)


GRADES = [str(grade) for grade in range(5)]
FINDINGS = {"COVID": ["COVID 19"], "pneumonia": ["pneumonia"]}
UNGROUPED, KEEP = {"ungrouped": True}, {"unlabelled": "keep"}
NO_SPLIT = {"official_split": False}
KAGGLE = {"patient": "number in class", "split_values": {"val": "train"}}
CASES = [
    Case(layouts.aptos, 180, 180, {"type": "aptos"}, "ordinal", GRADES, UNGROUPED),
    Case(layouts.messidor_2, 180, 360, {"type": "messidor"}, "ordinal", GRADES, KEEP),
    Case(layouts.messidor, 150, 150, {"type": "messidor", "edition": "messidor"}, "ordinal", GRADES[:4], UNGROUPED),
    Case(layouts.oct2017, 160, 320, {"type": "kermany"} | NO_SPLIT, "multiclass", ["CNV", "DME", "DRUSEN", "NORMAL"]),
    Case(layouts.chest_xray, 80, 245, {"type": "kermany"} | KAGGLE, "binary", ["NORMAL", "PNEUMONIA"]),
    Case(layouts.nih_cxr14, 340, 680, {"type": "nih_cxr14"}, "multilabel", ["Atelectasis", "Mass"]),
    Case(
        layouts.chexpert, 120, 244, {"type": "chexpert"} | NO_SPLIT, "multilabel", ["Pleural Effusion", "Pneumothorax"]
    ),
    Case(layouts.bimcv, 160, 320, {"type": "bimcv", "findings": FINDINGS}, "multilabel", list(FINDINGS), KEEP),
    Case(layouts.ham10000, 260, 520, {"type": "ham10000"}, "multiclass", list(layouts.LESIONS)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.make.__name__)
def test_layouts_are_ingested(tmp_path: Path, case: Case) -> None:
    case.make(tmp_path / "source", case.patients)
    options = {"name": "public", "task": case.task, "classes": case.classes, **case.dataset}
    shares = {"validation": 0.3, "test": 0.3}
    ingested = run_ingest(tmp_path / "source", tmp_path / "out", case.reader, split=shares, **options)
    quality = ingested.quality
    assert (quality["rows"], quality["kept"]) == (case.images, case.images), quality["reasons"]
    assert splits_of_groups(ingested).max() == 1
    assert ingested.card["scored"]
    if case.make is layouts.nih_cxr14:
        assert ingested.card["splits"]["test"]["images"] == case.images / 2  # the publisher's own
