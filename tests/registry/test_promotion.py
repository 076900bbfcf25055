import shutil
from pathlib import Path

import pytest
from tests.registry.study import CLASSES, Study, make_study

from medgraft.artifacts import Card, read_json
from medgraft.data.dataset import read_rows
from medgraft.registry.packaged import Packaged
from medgraft.registry.promotion import incomparable

METRICS = {"task": "binary", "classes": list(CLASSES), "unit": {"of": "image", "aggregate": "mean"}}


@pytest.fixture
def champion(package: Path) -> Packaged:
    return Packaged("3", package)


def ids_of(study: Study) -> tuple[set[str], set[str]]:
    rows = read_rows(study.dataset, ["test"])
    return set(rows["group_id"]), set(rows["image_id"])


def card_of(study: Study) -> Card:
    card: Card = read_json(study.dataset / "card.json")
    return card


def test_comparable_on_patients_new_to_both(study: Study, champion: Packaged) -> None:
    assert incomparable(champion, card_of(study), METRICS, *ids_of(study)) == []


def test_not_on_patients_it_was_trained_on(champion: Packaged, tmp_path: Path) -> None:
    # Patients 0 to 23 were its train and validation; in this division of 16 more, 16 to 31 are the test patients.
    later = make_study(tmp_path, tracking_uri="http://127.0.0.1:9", first_patient=-8)
    (reason,) = incomparable(champion, card_of(later), METRICS, *ids_of(later))
    assert "version 3) was trained on 8 patients and 16 images of this test set" in reason


def test_not_when_keys_differ(study: Study, champion: Packaged) -> None:
    (reason,) = incomparable(champion, card_of(study) | {"key_id": "another"}, METRICS, *ids_of(study))
    assert "group key public" in reason
    assert "another" in reason


def test_not_when_it_predicts_other_classes(study: Study, champion: Packaged) -> None:
    (reason,) = incomparable(champion, card_of(study), METRICS | {"classes": list(CLASSES[::-1])}, *ids_of(study))
    assert "predicts the classes" in reason


def test_not_when_it_is_of_another_task(study: Study, champion: Packaged) -> None:
    (reason,) = incomparable(champion, card_of(study), METRICS | {"task": "ordinal"}, *ids_of(study))
    assert reason == "the champion (version 3) predicts for a task that is binary, this one is ordinal"


def test_not_when_its_training_patients_are_unknown(study: Study, package: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(package, tmp_path / "model")
    (folder / "artifacts" / "package" / "training_groups.json").unlink()
    (reason,) = incomparable(Packaged("3", folder), card_of(study), METRICS, *ids_of(study))
    assert "was not packed by medgraft" in reason


@pytest.mark.parametrize("unit", [{"of": "group", "aggregate": "mean"}, {"of": "image", "aggregate": "max"}])
def test_not_when_its_thresholds_are_of_another_unit(study: Study, champion: Packaged, unit: dict[str, str]) -> None:
    (reason,) = incomparable(champion, card_of(study), METRICS | {"unit": unit}, *ids_of(study))
    assert "was chosen and calibrated by image (mean of its images)" in reason


def test_not_when_it_serves_other_shades(study: Study, champion: Packaged) -> None:
    (reason,) = incomparable(champion, card_of(study) | {"white": 4095}, METRICS, *ids_of(study))
    assert "no value (it refuses them) is white for it, this data set was ingested with 4095" in reason
