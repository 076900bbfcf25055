import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from safetensors.torch import load_file, save_file
from tests.registry.conftest import RELEASE
from tests.registry.study import CLASSES, Study

from medgraft.artifacts import file_hash, read_json, write_json
from medgraft.data.dataset import read_rows
from medgraft.errors import UserError
from medgraft.networks.network import WEIGHTS, load_network
from medgraft.registry.package import CONTENT, training_groups, write_package
from medgraft.registry.winner import Winner

TIMES_AND_IDS = "MLmodel"  # MLflow writes a time and a random id into it


def hashes(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): file_hash(p) for p in folder.rglob("*") if p.is_file()}


def test_is_the_same_wherever_it_is_written(
    study: Study, winner: Winner, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_text("someone's project, which mlflow would copy")
    monkeypatch.chdir(tmp_path)
    write_package(tmp_path / "again", winner, study.dataset, RELEASE)
    once, again = hashes(package), hashes(tmp_path / "again")
    assert once.keys() == again.keys()
    assert [name for name in once if once[name] != again[name]] == [TIMES_AND_IDS]


def test_a_graph_and_weights_of_two_networks_are_refused(study: Study, winner: Winner, tmp_path: Path) -> None:
    mixed = shutil.copytree(winner.folder, tmp_path / winner.name)
    weights = load_file(mixed / WEIGHTS)
    save_file({name: w * 1.1 if name.startswith("head") else w for name, w in weights.items()}, mixed / WEIGHTS)
    with pytest.raises(UserError, match=r"are of two networks.*run `medgraft transfer solid` again"):
        write_package(tmp_path / "package", replace(winner, folder=mixed), study.dataset, RELEASE)
    assert not (tmp_path / "package").exists()


def test_holds_no_pickle_and_no_path(package: Path, study: Study) -> None:
    names = [p.name for p in package.rglob("*")]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth", ".ckpt"))]
    folders = (str(Path.cwd()), str(study.plan.parent), "/tmp", str(Path.home()) + "/")
    for path in package.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not [folder for folder in folders if folder.encode() in raw], path


def test_pins_what_it_is_served_with(package: Path) -> None:
    lines = (package / "requirements.txt").read_text().split()
    assert lines == [f"{n}=={version(n)}" for n in ("mlflow", "numpy", "onnxruntime", "pandas", "pillow")]


def test_says_what_it_is(content: Path, winner: Winner) -> None:
    facts = read_json(content / "package.json")
    assert facts["classes"] == list(CLASSES)
    assert facts["task"] == "binary"
    assert (facts["unit"], facts["aggregate"]) == ("image", "mean")
    assert facts["operating_thresholds"] == {"specificity": {CLASSES[1]: 0.5}, "sensitivity": {CLASSES[1]: 0.4}}
    assert (facts["specificity_target"], facts["sensitivity_target"]) == (0.9, 0.9)
    assert (facts["decision_threshold"], facts["decision_thresholds"]) == (0.5, None)
    assert facts["white"] is None
    assert facts["temperature"] == 1.7
    assert facts["max_pixels"] == 1_000_000
    assert facts["fingerprints"] == {"registration": "f" * 32} | winner.fingerprints


def test_weights_are_the_candidates(content: Path, study: Study) -> None:
    assert load_network(content).spec == load_network(study.candidates / "solid").spec
    assert file_hash(content / "model.safetensors") == file_hash(study.candidates / "solid" / "model.safetensors")


def test_remembers_the_patients_it_was_fitted_or_chosen_on_and_no_other(content: Path, study: Study) -> None:
    training = json.loads((content / "training_groups.json").read_text())
    rows = read_rows(study.dataset)
    seen = rows.filter(pl.col("split") != "test")
    assert training["key_id"] == "public"
    assert set(training["groups"]) == set(seen["group_id"])
    assert set(training["images"]) == set(seen["image_id"])
    assert not set(training["groups"]) & set(rows.filter(split="test")["group_id"])


def test_remembers_the_patients_of_the_initial_weights_too(study: Study, winner: Winner, tmp_path: Path) -> None:
    write_json(tmp_path / "exposed.json", {"key_id": "public", "groups": ["earlier"], "images": ["old"]})
    training = training_groups(replace(winner, folder=tmp_path), study.dataset)
    alone = training_groups(winner, study.dataset)
    assert set(training["groups"]) == {*alone["groups"], "earlier"}
    assert set(training["images"]) == {*alone["images"], "old"}


def test_holds_what_mlflow_needs(package: Path) -> None:
    assert (package / "MLmodel").is_file()
    assert {p.name for p in (package / CONTENT).iterdir()} == {
        "model.onnx",
        "model.safetensors",
        "network.json",
        "package.json",
        "training_groups.json",
        "model_card.md",
    }
