"""Supervised pretraining on a dataset artifact: weights, provenance, and the overlap it must lead to."""

from pathlib import Path

import pytest
import torch
from tests.training.datasets import findings, grades, write_dataset

from medgraft.artifacts import read_json
from medgraft.data.labels import Label
from medgraft.data.overlap import refuse_overlap
from medgraft.errors import UserError
from medgraft.networks.backbones import create_backbone
from medgraft.params import Study, Task
from medgraft.pretraining.supervised import SupervisedSettings, content, make
from medgraft.store import Store


def test_it_trains_says_on_what_and_its_patients_are_refused_as_judges(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = study / "artifacts" / "dataset"
    settings = SupervisedSettings(
        method="supervised",
        architecture="mobilenetv3_small_100",
        image_size=32,
        dataset=str(dataset),
        study=Study(max_images=64, device="cpu"),
    )
    card = read_json(dataset / "card.json")
    assert content(settings)["dataset"] == card["fingerprint"]
    made = make(settings, Store(str(tmp_path / "store")), "key")
    expected = create_backbone("mobilenetv3_small_100", 32).state_dict()
    assert made.weights.keys() == expected.keys()
    assert not torch.equal(made.weights["conv_stem.weight"], expected["conv_stem.weight"])
    assert card["fingerprint"] in made.origin.source
    assert len(made.exposed["groups"]) == card["splits"]["train"]["groups"] + card["splits"]["validation"]["groups"]
    with pytest.raises(UserError, match="has seen"):
        refuse_overlap("source", dict(made.exposed), dataset)
    unseen = dict(made.exposed) | {"groups": ["0" * 32], "images": ["0" * 32]}
    refuse_overlap("source", unseen, dataset)


def settings_for(dataset: Path) -> SupervisedSettings:
    return SupervisedSettings(
        method="supervised",
        architecture="mobilenetv3_small_100",
        image_size=32,
        dataset=str(dataset),
        study=Study(max_images=64, device="cpu"),
    )


@pytest.mark.parametrize("task", ["ordinal", "multilabel"])
def test_grades_and_findings_can_be_trained_on(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels: list[Label | None] = grades(80) if task == "ordinal" else findings(80)
    classes = ["0", "1", "2", "3"] if task == "ordinal" else ["effusion", "mass", "hernia"]
    splits = {"train": labels, "validation": labels[:40]}
    dataset = write_dataset(tmp_path / "dataset", task, classes, splits, scored=classes[:2])
    made = make(settings_for(dataset), Store(str(tmp_path / "store")), "key")
    assert made.facts["validation_loss"] < 2  # four grades that nothing tells of have a loss of log 4
    assert len(made.exposed["images"]) == 120


def test_volumes_are_refused_when_the_plan_asks(tmp_path: Path) -> None:
    write_dataset(tmp_path, "ordinal", ["0", "1"], {"train": grades(8, 2), "validation": grades(8, 2)}, dimensions=3)
    with pytest.raises(UserError, match="holds volumes"):
        content(settings_for(tmp_path))
