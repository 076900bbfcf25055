"""`medgraft rank`, and `medgraft cuts`: advice from the real command line."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from tests.workspace import medgraft

from medgraft.artifacts import read_json, write_json
from medgraft.errors import UserError
from medgraft.evaluation.advising import NOTHING
from medgraft.networks.initialization import EXPOSED
from medgraft.stages import rank


def test_initializations_are_scored_on_train_and_validation(study: Path, tmp_path: Path) -> None:
    artifacts = shutil.copytree(study / "artifacts", tmp_path / "artifacts")
    said = medgraft(tmp_path, "rank")
    assert "scratch" in said
    assert "Advice, not a choice" in said
    found = read_json(artifacts / "ranking/ranking.json")
    card = read_json(artifacts / "dataset/card.json")
    assert found["images"] == sum(card["splits"][split]["images"] for split in ("train", "validation"))
    assert [row["place"] for row in found["rows"]][-1] == "whole"
    for row in found["rows"]:
        assert row["scores"]["leep"] is row["scores"]["nce"] is None  # random weights have no classes
        for name in ("logme", "h_score", "transrate"):
            score = row["scores"][name]
            assert score["low"] is None or score["low"] <= score["estimate"] <= score["high"]

    assert NOTHING in said  # the study has one initialization
    assert "`medgraft evaluate` puts this into the report" in said
    assert "evaluate: up to date" in medgraft(tmp_path, "evaluate")
    assert NOTHING in (artifacts / "evaluation/report.html").read_text(encoding="utf-8")
    assert read_json(artifacts / "evaluation/ledger.json")["openings"] == 1

    shutil.rmtree(artifacts / "candidates/full")
    said = medgraft(tmp_path, "rank")
    assert "up to date" in said
    assert "The candidates are not those of the last evaluation; `medgraft evaluate` measures those of the plan" in said
    shutil.rmtree(artifacts / "initializations/scratch")
    assert "not made yet: scratch; run `medgraft pretrain NAME`" in medgraft(tmp_path, "rank", code=1)


def test_weights_that_have_seen_patients_they_are_ranked_for_are_refused(study: Path, tmp_path: Path) -> None:
    artifacts = shutil.copytree(study / "artifacts", tmp_path / "artifacts")
    card = read_json(artifacts / "dataset/card.json")
    shard = next((artifacts / "dataset/data").glob("validation-*.parquet"))
    group = pl.read_parquet(shard, columns=["group_id"])["group_id"][0]
    exposed = {"key_id": card["key_id"], "groups": [group], "images": []}
    write_json(artifacts / "initializations/scratch" / EXPOSED, exposed)
    with pytest.raises(UserError, match="'scratch' has seen 1 patients"):
        rank.run(artifacts, artifacts / "ranking", say=print)
    assert not (artifacts / "ranking").exists()
    shard = next((artifacts / "dataset/data").glob("train-*.parquet"))
    group = pl.read_parquet(shard, columns=["group_id"])["group_id"][0]
    write_json(artifacts / "initializations/scratch" / EXPOSED, exposed | {"groups": [group], "hashes": []})
    with pytest.raises(
        UserError, match="scored on train, too, where initialization 'scratch' was trained with the labels"
    ):
        rank.run(artifacts, artifacts / "ranking", say=print)


def test_cuts_are_listed(tmp_path: Path) -> None:
    lines = medgraft(tmp_path, "cuts", "resnet18", "--image-size", "64").splitlines()
    assert lines[1].split() == ["stem", "0*", "64", "4", "9,536", "9,633,792"]
    assert "did you mean 'resnet18'" in medgraft(tmp_path, "cuts", "resnet19", code=1)
