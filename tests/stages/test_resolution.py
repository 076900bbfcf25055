"""Every mistake in a params file is told at once, with the nearest spelling and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.tiny import tiny_params

from medgraft.errors import UserError
from medgraft.stages.resolution import item_files, resolve


@pytest.fixture
def params() -> dict[str, Any]:
    return tiny_params(Path("phantoms"), "http://127.0.0.1:9")


def _file(tmp_path: Path, params: object) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return path


def _message(tmp_path: Path, params: object, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        resolve(_file(tmp_path, params), overrides)
    return str(caught.value)


def test_defaults_are_filled_and_overrides_win(tmp_path: Path, params: dict[str, Any]) -> None:
    found = resolve(_file(tmp_path, params), ["study.seeds=[3, 4]", "candidates.full.epochs=7"])
    assert found.params.study.seeds == [3, 4]
    assert found.params.evaluation.reference == "probe"
    assert found.params.candidates["full"]["epochs"] == 7
    assert found.params.candidates["full"]["weight_decay"] == 0.01
    assert found.params.dataset.reader["subgroups"] == ["site", "sex"]
    assert found.candidates["full"].sources == ["scratch"]


def test_all_mistakes_at_once(tmp_path: Path, params: dict[str, Any]) -> None:
    dataset = params["dataset"]
    dataset["clases"] = dataset.pop("classes")
    dataset["task"] = "binry"
    dataset["reader"]["gruop"] = dataset["reader"].pop("group")
    dataset["reader"]["subgroups"] = ["site", "finding"]
    params["initializations"]["scratch"]["method"] = "randm"
    params["candidates"]["probe"]["initialization"] = "scrath"
    params["candidates"]["full"] |= {"epoch": 3, "learning_rate": -1}
    params["candidates"]["other"] = {"strategy": "liner", "initialization": "scratch"}
    params["candidates"]["Bad Name"] = {"strategy": "linear", "initialization": "scratch"}
    params["study"] |= {"fractions": [0.5], "seeds": [0, 0]}
    params["split"] = {"validation": 0.5, "test": 0.5}
    params["evaluation"] = {"metric": "aurok", "specificity": 2}
    del params["registration"]["model_name"]
    message = _message(tmp_path, params)
    for expected in (
        "params.yaml:\n",
        "dataset.clases: unknown key (did you mean 'classes'?); allowed: name, source, reader, task, classes",
        "dataset.classes: missing (Every label value",
        "dataset.task: input should be 'binary', 'multiclass', 'ordinal' or 'multilabel', got 'binry'",
        "dataset.reader.gruop: unknown key (did you mean 'group'?); allowed: ",
        "dataset.reader.subgroups: 'finding' is a column of label, and test labels are sealed",
        "initializations.scratch.method: unknown method 'randm' (did you mean 'random'?); allowed: ",
        "candidates.probe: no initialization 'scrath' (did you mean 'scratch'?); there are: scratch",
        "candidates.full.epoch: unknown key (did you mean 'epochs'?); allowed: strategy, initialization, epochs",
        "candidates.full.learning_rate: input should be greater than 0, got -1",
        "candidates.other.strategy: unknown strategy 'liner' (did you mean 'linear'?); allowed: ",
        "candidates.Bad Name: string should match pattern",
        "study.fractions: 1.0 must be among them, got [0.5]",
        "study.seeds: [0, 0] names a value twice",
        "split: validation and test together leave nothing to train on",
        "evaluation.metric: input should be 'auroc', 'auprc', 'balanced_accuracy' or 'quadratic_kappa', got 'aurok'",
        "evaluation.specificity: input should be less than 1, got 2",
        "registration.model_name: missing (Name in the MLflow model registry.)",
    ):
        assert expected in message
    lines = [line for line in message.splitlines() if line.startswith("  - ")]
    assert len(lines) == len(set(lines)) == 17
    assert message.startswith("17 problems in ")


def test_mistakes_that_involve_several_keys(tmp_path: Path, params: dict[str, Any]) -> None:
    params["dataset"]["classes"] = ["a", "b", "b"]
    params["dataset"]["reader"]["subgroups"] = ["label", "split"]
    params["dataset"]["ungrouped"] = True
    params["evaluation"] = {"reference": "prob"}
    message = _message(tmp_path, params)
    for expected in (
        "dataset.classes: ['a', 'b', 'b'] names a class twice",
        "a binary task has two (negative, positive), got 3; use `task: multiclass`",
        "dataset.ungrouped: true, but the reader knows the patient",
        "dataset.reader.subgroups: 'label' is a name medgraft uses itself",
        "dataset.reader.subgroups: 'split' is a name medgraft uses itself",
        "evaluation.reference: no candidate 'prob' (did you mean 'probe'?); there are: probe, full",
    ):
        assert expected in message
    assert message.startswith("6 problems")


def test_what_does_not_fit_the_task_is_a_mistake(tmp_path: Path, params: dict[str, Any]) -> None:
    params["dataset"] |= {"task": "multiclass", "classes": ["a", "b", "c"]}
    params["evaluation"] = {
        "metric": "quadratic_kappa",
        "unit": "group",
        "aggregate": "max",
        "prevalence": {"a": 0.2, "d": 0.1},
    }
    params["split"] = {"held_out": {"column": "siet", "value": "A"}, "only_test": True}
    message = _message(tmp_path, params)
    for expected in (
        "evaluation.metric: quadratic_kappa is for grades in order, not for a multiclass task",
        "evaluation.aggregate: max is for binary and multilabel tasks; use mean for a multiclass task",
        "evaluation.prevalence: no class 'd'",
        "split: held_out and only_test exclude each other",
        "split.held_out.column: 'siet' is not among the reader's subgroups (did you mean 'site'?)",
    ):
        assert expected in message
    assert message.startswith("5 problems")


def test_findings_need_the_multilabel_task_and_its_classes(tmp_path: Path, params: dict[str, Any]) -> None:
    reader = params["dataset"]["reader"]
    del reader["label"]
    reader["labels"] = ["edema", "mass"]
    assert "use multilabel" in _message(tmp_path, params)
    params["dataset"] |= {"task": "multilabel", "classes": ["edema", "mas"]}
    assert "dataset.classes: the reader has no label 'mas' (did you mean 'mass'?)" in _message(tmp_path, params)
    params["dataset"]["classes"] = ["mass", "edema"]
    assert resolve(_file(tmp_path, params), []).params.dataset.classes == ["mass", "edema"]
    del params["dataset"]["reader"]["labels"]
    params["dataset"]["reader"]["label"] = "finding"
    assert "dataset.task: multilabel, but the reader gives one class" in _message(tmp_path, params)


def test_without_a_patient_column_one_must_say_so(tmp_path: Path, params: dict[str, Any]) -> None:
    del params["dataset"]["reader"]["group"]
    assert "nothing says which images are of one patient" in _message(tmp_path, params)
    assert resolve(_file(tmp_path, params), ["dataset.ungrouped=true"]).params.dataset.ungrouped


@pytest.mark.parametrize("block", ["dataset", "initializations", "candidates", "study", "evaluation", "split"])
@pytest.mark.parametrize("value", [None, "text", ["a"], 3])
def test_blocks_of_another_shape_are_mistakes_too(
    tmp_path: Path, params: dict[str, Any], block: str, value: object
) -> None:
    message = _message(tmp_path, params | {block: value, "unknown": 1})
    assert f"  - {block}: " in message
    assert "  - unknown: unknown key" in message


@pytest.mark.parametrize("value", [None, "text", [], {}, {"type": None}])
def test_entries_of_another_shape_are_mistakes_too(tmp_path: Path, params: dict[str, Any], value: object) -> None:
    params["dataset"]["reader"] = value
    params["candidates"]["probe"] = value
    message = _message(tmp_path, params)
    assert "dataset.reader" in message
    assert "allowed: aptos, bimcv, chexpert, dicom, folder" in message
    assert "candidates.probe" in message


def test_every_item_has_its_file_and_fingerprint(tmp_path: Path, params: dict[str, Any]) -> None:
    files = item_files(resolve(_file(tmp_path, params), []))
    assert set(files) == {
        *("dataset.json", "evaluation.json", "registration.json", "params.json"),
        *("initializations/scratch.json", "candidates/probe.json", "candidates/full.json"),
    }
    assert files["evaluation.json"]["candidates"] == ["probe", "full"]
    assert files["candidates/probe.json"]["initializations"] == ["scratch"]
    changed = item_files(resolve(_file(tmp_path, params), ["candidates.full.epochs=3"]))
    different = {name for name in files if files[name]["fingerprint"] != changed[name]["fingerprint"]}
    assert different == {"candidates/full.json", "params.json", "registration.json"}
