"""Transfer: killed at any point it ends with the same bits; it refuses weights that have seen test patients."""

import random
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.data.pictures import changed, jpeg, picture
from tests.data.sources import CLASSES, encoded, ingest_pictures
from tests.training.datasets import findings, grades, write_dataset
from tests.workspace import MEDGRAFT, environment, medgraft

from medgraft.artifacts import read_json, write_card, write_json
from medgraft.data.dataset import read_rows
from medgraft.data.labels import Label
from medgraft.data.overlap import exposure
from medgraft.errors import UserError
from medgraft.evaluation.report.searched import searched
from medgraft.networks.backbones import create_backbone
from medgraft.networks.cuts import WHOLE, cuts
from medgraft.networks.initialization import EXPOSED, Origin, write_initialization
from medgraft.networks.network import read_spec
from medgraft.params import Dataset, Evaluation, Split, Study, Task
from medgraft.stages import transfer
from medgraft.stages.agreement import asked
from medgraft.stages.exposure import exposed
from medgraft.store import Store

MODEL = "artifacts/candidates/full/model.safetensors"


def fresh(study: Path, folder: Path) -> Path:
    """The study's workspace before its candidates were fitted, with a store of its own."""
    for name in ("plan", "dataset", "initializations"):
        shutil.copytree(study / "artifacts" / name, folder / "artifacts" / name)
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(MEDGRAFT), "transfer", "full"],
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_two_kills_end_with_the_bits_of_an_uninterrupted_run(study: Path, tmp_path: Path) -> None:
    folder = fresh(study, tmp_path)
    for lines in (1, 2):
        process = start(folder)
        assert process.stdout is not None
        for _ in range(lines):
            assert "step" in process.stdout.readline()
        kill(process)
        assert not (folder / MODEL).exists()
    said = medgraft(folder, "transfer", "full")
    assert "step 2/8" not in said  # it went on, it did not start anew
    assert (folder / MODEL).read_bytes() == (study / MODEL).read_bytes()
    for name in ("predictions.parquet", "history.parquet", "card.json"):
        assert (folder / MODEL).with_name(name).read_bytes() == (study / MODEL).with_name(name).read_bytes()


@pytest.mark.acceptance
def test_ten_kills_at_random_moments(study: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    medgraft(fresh(study, tmp_path / "whole"), "transfer", "full")
    whole = time.monotonic() - began
    moments = random.Random(0)
    for number in range(10):
        folder = fresh(study, tmp_path / str(number))
        process = start(folder)
        time.sleep(moments.uniform(0, whole))
        kill(process)
        medgraft(folder, "transfer", "full")
        assert (folder / MODEL).read_bytes() == (study / MODEL).read_bytes(), number
        print(f"kill {number + 1} of 10: bit-identical")


def test_predictions_cover_validation_and_test_without_labels(study: Path) -> None:
    table = pl.read_parquet(study / "artifacts/candidates/full/predictions.parquet")
    card = read_json(study / "artifacts/dataset/card.json")
    for split in ("validation", "test"):
        assert table.filter(pl.col("split") == split)["image_id"].n_unique() == card["splits"][split]["images"]
    assert "label" not in table.columns


def test_weights_that_have_seen_test_patients_are_refused(study: Path, tmp_path: Path) -> None:
    folder = fresh(study, tmp_path)
    card = read_json(folder / "artifacts/dataset/card.json")
    test = next((folder / "artifacts/dataset/data").glob("test-*.parquet"))
    group = pl.read_parquet(test, columns=["group_id"])["group_id"][0]
    exposed = {"key_id": card["key_id"], "groups": [group], "images": []}
    write_json(folder / "artifacts/initializations/scratch" / EXPOSED, exposed)
    said = medgraft(folder, "transfer", "full", code=1)
    assert "has seen 1 patients" in said
    assert not (folder / "artifacts/candidates").exists() or not any((folder / "artifacts/candidates").iterdir())
    write_json(folder / "artifacts/initializations/scratch" / EXPOSED, exposed | {"key_id": "00000000"})
    artifacts = folder / "artifacts"
    places = (artifacts / "plan", "full", artifacts / "dataset", artifacts / "initializations", folder / "candidate")
    with pytest.raises(UserError, match="same group key"):
        transfer.run(*places, Store(str(folder / "store")))


def test_copies_in_the_source_set_are_refused_where_it_lies_and_warned_of_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = {f"s{i}": encoded(picture(i, 32, 32)[:, :, 0]) for i in range(120)}
    source = ingest_pictures(tmp_path / "there", pictures)
    copies = {f"t{i}": encoded(changed(picture(i, 32, 32), jpeg(75))[:, :, 0]) for i in range(12)}
    others = {f"t{i}": encoded(picture(1000 + i, 32, 32)[:, :, 0]) for i in range(12, 220)}
    judged = ingest_pictures(tmp_path / "here", copies | others)
    planned(tmp_path, "binary", [0, 1] * 40, CLASSES)
    shutil.rmtree(tmp_path / "dataset")
    shutil.copytree(judged.dataset, tmp_path / "dataset")
    shutil.copy(tmp_path / "here/out/plan/dataset.json", tmp_path / "plan")
    settings = {"method": "supervised", "dataset": str(source.dataset)}
    write_json(tmp_path / "plan/initializations/scratch.json", {"settings": settings})
    write_json(tmp_path / "initializations/scratch" / EXPOSED, exposure(source.dataset, ["train", "validation"]))
    with pytest.raises(UserError, match=r"'scratch' has seen \d images, under other pixels"):
        run(tmp_path)
    shutil.rmtree(source.dataset)
    *_, warning = read_json(run(tmp_path) / "card.json")["warnings"]
    assert "look like one that initialization 'scratch' has seen" in warning


LINEAR = {"strategy": "linear", "initialization": "scratch"}


def planned(
    folder: Path,
    task: Task,
    labels: list[Label | None],
    classes: list[str],
    dimensions: int = 2,
    candidate: Mapping[str, object] = LINEAR,
    architecture: str = "test_efficientnet",
) -> Path:
    """A plan with one candidate, its dataset and its initialization; returns their folder."""
    settings = Dataset(name="noise", source="there", reader={"type": "manifest"}, task=task, classes=classes)
    item = {"dataset": settings.model_dump(), "split": Split().model_dump()}
    study = Study(fractions=[0.5, 1.0], max_images=32, batch_size=16, chunk_steps=2, device="cpu")
    parts = {"settings": candidate, "study": study.model_dump(), "evaluation": Evaluation().model_dump()}
    write_json(folder / "plan" / "dataset.json", item)
    write_json(folder / "plan" / "candidates" / "probe.json", parts)
    write_card(folder / "plan", "plan", "0" * 32, {})
    by_split = {"train": labels, "validation": labels[:40], "test": labels[:40]}
    told = asked(settings, Split())
    write_dataset(folder / "dataset", task, classes, by_split, scored=classes[:2], asked=told, dimensions=dimensions)
    origin = Origin("random", architecture, 32, (0.5,) * 3, (0.5,) * 3, "none needed", "drawn")
    weights = dict(create_backbone(origin.architecture, origin.image_size, 1).state_dict())
    (folder / "initializations" / "scratch").mkdir(parents=True)
    write_initialization(folder / "initializations" / "scratch", origin, weights, "1" * 32, {})
    return folder


def run(folder: Path) -> Path:
    arguments = (folder / "plan", "probe", folder / "dataset", folder / "initializations", folder / "candidate")
    assert transfer.run(*arguments, Store(str(folder / "store"))) == "built"
    return folder / "candidate"


def test_findings_become_a_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the pixel store lies below the working folder
    classes = ["effusion", "mass", "hernia"]
    candidate = run(planned(tmp_path, "multilabel", findings(80), classes))
    assert read_spec(candidate).task == "multilabel"
    table = pl.read_parquet(candidate / "predictions.parquet")
    assert set(table["logits"].list.len()) == {len(classes)}
    rows = read_rows(tmp_path / "dataset", ["validation", "test"])
    for fraction in (0.5, 1.0):
        assert set(table.filter(fraction=fraction)["image_id"]) == set(rows["image_id"])  # those with no label, too
    half, whole = [fit["train_images"] for fit in read_json(candidate / "card.json")["fits"]]
    assert whole == 72
    assert half in (36, 37)  # whole patients of one or two labelled images, until half is reached


def test_volumes_into_a_network_for_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds volumes, but initialization scratch takes images; add `volumes: acs`"):
        run(planned(tmp_path, "ordinal", grades(80), ["0", "1", "2", "3"], dimensions=3))
    assert not (tmp_path / "candidate").exists()


CUT_SEARCH = {"strategy": "truncated", "initialization": "scratch", "epochs": 1}
UNITS = "mobilenetv3_small_050"  # has blocks of several units


def test_a_search_becomes_a_candidate_that_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels: list[Label | None] = [0, 0, 1, 1] * 20
    folder = run(planned(tmp_path / "one", "binary", labels, ["no", "yes"], candidate=CUT_SEARCH, architecture=UNITS))
    record, card = read_json(folder / "search.json"), read_json(folder / "card.json")
    assert len(record["finalists"]) == record["looks"] == card["looks"] == 3
    chosen = record["chosen"]
    told = (card["chosen"]["strategy"], card["chosen"].get("cut"))
    assert told == (("full", None) if chosen == "full" else ("truncated", chosen))
    assert read_spec(folder).backbones[0].cut == (None if chosen == "full" else chosen)
    assert card["settings"]["cut"] == "search"
    assert [(fit["fraction"], fit["seed"]) for fit in card["fits"]] == [(0.5, 0), (1.0, 0)]
    places = {place.name: place for place in cuts(create_backbone(UNITS, 32), 32)}
    losses = {probe["name"]: probe["cross_validated_loss"] for probe in record["probes"]}
    by_stage = {s: {p["name"] for p in record["probes"] if p["stage"] == s} for s in (1, 2)}
    # The last block has one unit: where the whole network is liked best, the best of the others is looked into.
    best = places[min(by_stage[1] - {WHOLE}, key=lambda name: losses[name])].block
    assert by_stage[1] == {name for name, place in places.items() if place.ends_block} | {WHOLE}
    assert by_stage[2] == {name for name, place in places.items() if place.block == best and not place.ends_block}
    kept, random_ = (np.mean([place[key] for place in record["drift"]]) for key in ("kept", "random"))
    assert 1 >= kept > random_ + 0.05
    assert any("the learning curve is that of what was found" in warning for warning in card["warnings"])
    assert ET.parse(folder / "search.svg").getroot().tag.endswith("svg")
    (section,) = searched({"probe": record}, "binary")  # as the report reads it
    assert section.of_cuts
    assert section.chosen == chosen
    assert [title for title, _ in section.charts] == ["Cuts", "What fine-tuning kept"]


def test_weights_that_have_learned_from_train_choose_nothing_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels: list[Label | None] = [0, 0, 1, 1] * 20
    folder = planned(tmp_path, "binary", labels, ["no", "yes"], candidate=CUT_SEARCH)
    seen = exposure(folder / "dataset", ["train"])
    write_json(folder / "plan/initializations/scratch.json", {"settings": {"method": "other"}})
    for said, warnings in (({"labels": False}, 0), ({"labels": True}, 1), ({}, 1)):
        write_json(folder / "initializations/scratch" / EXPOSED, seen | {"images": [], "hashes": []} | said)
        found = exposed(folder / "plan", folder / "initializations", ["scratch"], folder / "dataset")
        assert len(found.warnings) == len(found.learned) == warnings
    assert "was trained with labels of 40 patients and 0 images" in found.warnings[0]
    with pytest.raises(UserError, match=r"'probe' chooses by .* inside train, where .*'scratch' .* 40 patients"):
        run(folder)
