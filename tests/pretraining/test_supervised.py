"""Supervised pretraining on a dataset artifact: weights, provenance, and the overlap it must lead to."""

from pathlib import Path

import pytest
import torch

from medgraft.artifacts import read_json
from medgraft.data.overlap import refuse_overlap
from medgraft.errors import UserError
from medgraft.networks.backbones import create_backbone
from medgraft.params import Study
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
