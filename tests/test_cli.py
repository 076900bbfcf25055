"""The command line as a stranger meets it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.tiny import tiny_params
from tests.workspace import MEDGRAFT, medgraft, write_params

from medgraft.stages import STAGES

LIGHT = {
    "annotated_doc",
    "attr",
    "linkify_it",
    "markdown_it",
    "mdurl",
    "medgraft",
    "pygments",
    "rich",
    "shellingham",
    "typer",
}
LIGHT |= {"_distutils_hack", "imported package", "org", "sitecustomize"}  # the interpreter's own, and the table's head
COMMANDS = (*STAGES, "promote", "run", "leaderboard", "phantom")


def test_help_is_quick() -> None:
    # What takes seconds to import is imported by the command that needs it.
    command = [sys.executable, "-X", "importtime", str(MEDGRAFT), "--help"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}
    packages = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert {"typer", "medgraft"} <= packages <= LIGHT, packages - LIGHT


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_reads_and_writes(command: str, tmp_path: Path) -> None:
    said = medgraft(tmp_path, command, "--help", NO_COLOR="1", COLUMNS="200")
    assert "Reads" in said
    assert "Writes" in said


def test_all_mistakes_come_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    params = tiny_params(tmp_path / "nowhere", "http://127.0.0.1:9")
    params["study"]["sedes"] = [1]
    params["evaluation"] = {"metric": "aurok"}
    params["candidates"]["probe"]["initialization"] = "scrach"
    params["candidates"]["full"]["strategy"] = "ful"
    params["initializations"]["scratch"]["methot"] = "x"
    write_params(tmp_path, params)
    said = medgraft(tmp_path, "plan", code=1)
    assert "Traceback" not in said
    for expected in (
        "study.sedes: unknown key (did you mean 'seeds'?)",
        "evaluation.metric",
        "did you mean 'auroc'?",
        "no initialization 'scrach' (did you mean 'scratch'?)",
        "unknown strategy 'ful' (did you mean 'full'?)",
        "initializations.scratch.methot: unknown key (did you mean 'method'?)",
    ):
        assert expected in said
    assert not (tmp_path / "artifacts").exists()


def test_what_cannot_be_reached_is_listed_at_once(tmp_path: Path) -> None:
    params = tiny_params(tmp_path / "nowhere", "http://127.0.0.1:9")
    params["dataset"]["group_key"] = "env:MEDGRAFT_TEST_KEY"
    write_params(tmp_path, params)
    said = medgraft(tmp_path, "plan", code=1)
    assert "dataset.source" in said
    assert "MEDGRAFT_TEST_KEY is not set" in said
    assert "no MLflow server answers" in said
    assert not (tmp_path / "artifacts").exists()


def test_overrides_reach_the_plan(study: Path, tmp_path: Path) -> None:
    params = yaml.safe_load((study / "params.yaml").read_text())
    write_params(tmp_path, params)
    medgraft(tmp_path, "plan", "--set", "candidates.full.epochs=3", "--set", "evaluation.draws=2500")
    assert '"epochs": 3' in (tmp_path / "artifacts/plan/candidates/full.json").read_text()
    assert '"draws": 2500' in (tmp_path / "artifacts/plan/evaluation.json").read_text()


def test_a_stage_says_what_it_lacks(tmp_path: Path) -> None:
    said = medgraft(tmp_path, "evaluate", code=1)
    assert said.startswith("error: no plan artifact")
    assert "medgraft plan" in said


def test_the_whole_study_ran_and_running_it_again_does_nothing(study: Path) -> None:
    first = (study / "run.log").read_text()
    assert "→" in medgraft(study, "leaderboard")
    assert "images/s" in first
    assert "waiting for data" in first
    again = medgraft(study, "run")
    assert again.count("up to date") == len(("ingest", "pretrain", "transfer", "transfer", "evaluate", "register"))
    assert "images/s" not in again
