"""`medgraft rank`, and `medgraft cuts`: advice from the real command line."""

import shutil
from pathlib import Path

from tests.workspace import medgraft

from medgraft.artifacts import read_json


def test_initializations_are_scored_on_train_and_validation(study: Path, tmp_path: Path) -> None:
    for name in ("plan", "dataset", "initializations"):
        shutil.copytree(study / "artifacts" / name, tmp_path / "artifacts" / name)
    said = medgraft(tmp_path, "rank")
    assert "scratch" in said
    assert "Advice, not a choice" in said
    found = read_json(tmp_path / "artifacts/ranking/ranking.json")
    card = read_json(tmp_path / "artifacts/dataset/card.json")
    assert found["images"] == sum(card["splits"][split]["images"] for split in ("train", "validation"))
    assert [row["place"] for row in found["rows"]][-1] == "whole"
    for row in found["rows"]:
        assert row["scores"]["leep"] is row["scores"]["nce"] is None  # random weights have no classes
        for name in ("logme", "h_score", "transrate"):
            score = row["scores"][name]
            assert score["low"] is None or score["low"] <= score["estimate"] <= score["high"]
    assert "up to date" in medgraft(tmp_path, "rank")
    shutil.rmtree(tmp_path / "artifacts/initializations/scratch")
    assert "not made yet: scratch; run `medgraft pretrain NAME`" in medgraft(tmp_path, "rank", code=1)


def test_cuts_are_listed(tmp_path: Path) -> None:
    lines = medgraft(tmp_path, "cuts", "resnet18", "--image-size", "64").splitlines()
    assert lines[1].split() == ["stem", "0*", "64", "4", "9,536", "9,633,792"]
    assert "did you mean 'resnet18'" in medgraft(tmp_path, "cuts", "resnet19", code=1)
