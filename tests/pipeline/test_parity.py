"""Both engines, and the components, are what the stage table says."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipelines.compiling import NEUTRAL, ROOT

from medgraft.artifacts import read_json
from medgraft.stages import STAGES

FOLDERS = {  # where dvc.yaml keeps each artifact
    "plan": "artifacts/plan",
    "dataset": "artifacts/dataset",
    "sealed": "artifacts/sealed",
    "initialization": "artifacts/initializations/${key}",
    "initializations": "artifacts/initializations",
    "candidate": "artifacts/candidates/${key}",
    "candidates": "artifacts/candidates",
    "evaluation": "artifacts/evaluation",
    "registration": "artifacts/registration",
}
SHOWN = {"evaluate": {"report", "figures"}}  # what only the Kubeflow UI shows, beside the artifacts


def dvc_stages() -> dict[str, Any]:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) | {"foreach": stage.get("foreach")} for name, stage in stages.items()}


def component(name: str) -> Any:
    return getattr(import_module(f"components.{name}.component"), name).component_spec


def paths(outs: list[Any]) -> set[str]:
    return {out if isinstance(out, str) else next(iter(out)) for out in outs}


def test_both_engines_have_the_stages_of_the_table() -> None:
    executors = next(yaml.safe_load_all(NEUTRAL.read_text(encoding="utf-8")))["deploymentSpec"]["executors"]
    tasks = [name for name in (re.sub("^exec-|-[0-9]+$", "", e) for e in executors) if name != "gather"]
    assert list(dvc_stages()) == list(STAGES)
    assert sorted(tasks) == sorted(STAGES)
    assert {path.parent.name for path in ROOT.glob("components/*/component.py")} == set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_dvc_reads_and_writes_what_the_table_says(name: str) -> None:
    stage, table = dvc_stages()[name], STAGES[name]
    deps = set(stage["deps"])
    code = {f"src/medgraft/{path}" for path in table.code} | {"requirements.lock"}
    assert {dep for dep in deps if not dep.startswith(("artifacts/", "${", "params.yaml"))} == code
    read = {FOLDERS[kind] for kind in table.reads if kind != "plan"}
    item = {f"{FOLDERS['plan']}/{table.item.format(name='${key}')}"} if table.item else set()
    assert {dep for dep in deps if dep.startswith("artifacts/")} == read | item
    assert paths(stage["outs"]) == {FOLDERS[kind] for kind in table.writes}
    assert stage["foreach"] == (f"${{{table.each}}}" if table.each else None)
    assert stage["cmd"] == f"medgraft {name}" + (" ${key}" if table.each else "")
    assert ("params.yaml" in deps) == (name == "plan")
    assert ("${dataset.source}" in deps) == (name == "ingest")


@pytest.mark.parametrize("name", STAGES)
def test_components_read_and_write_what_the_table_says(name: str) -> None:
    spec, table = component(name), STAGES[name]
    artifacts = {key for key, value in spec.inputs.items() if "system." in value.type}
    assert artifacts == set(table.reads)
    outputs = {key for key, value in spec.outputs.items() if "system." in value.type}
    assert outputs - SHOWN.get(name, set()) == set(table.writes)
    assert ("name" in spec.inputs) == (table.each is not None)


def test_only_evaluate_gets_the_sealed_labels() -> None:
    reading = {name for name, stage in dvc_stages().items() if any("sealed" in dep for dep in stage["deps"])}
    assert reading == {"evaluate"}
    assert {name for name in STAGES if "sealed" in component(name).inputs} == {"evaluate"}
    given = [name for name, task in _tasks(NEUTRAL) if "sealed" in task.get("inputs", {}).get("artifacts", {})]
    handed = [name for name, task in _tasks(NEUTRAL) if "'outputArtifactKey': 'sealed'" in str(task)]
    assert given == handed == ["evaluate"]


def test_source_imports_no_engine() -> None:
    importing = re.compile(r"^\s*(from|import) (kfp|dvc|components|pipelines)\b", re.MULTILINE)
    files = list((ROOT / "src").rglob("*.py"))
    assert len(files) > 50
    assert [path for path in files if importing.search(path.read_text(encoding="utf-8"))] == []


def test_dvc_sends_nothing_home_and_names_no_remote() -> None:
    config = (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    assert "analytics = false" in config
    assert "remote" not in config
    assert read_json(ROOT / ".dvc" / "plots" / "curves.json")["data"] == {"values": "<DVC_METRIC_DATA>"}


def _tasks(path: Path) -> list[tuple[str, Any]]:
    ir = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    dags = [ir["root"], *ir["components"].values()]
    return [(name, task) for dag in dags for name, task in dag.get("dag", {}).get("tasks", {}).items()]
