"""The Kubeflow pipeline, run by Kubeflow's local runner in processes: from phantoms to a registered model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from components.plan.component import plan
from kfp import dsl, local
from mlflow import MlflowClient
from pipelines.gather import gather
from pipelines.study import study
from tests.tiny import tiny_params

from medgraft.artifacts import read_card, read_json
from medgraft.errors import UserError

pytestmark = [
    pytest.mark.timeout(1200),  # eight processes that each load torch
    pytest.mark.filterwarnings("ignore:You may be attemping to run a task that uses custom:RuntimeWarning"),
]
NOWHERE = tiny_params(Path("/nowhere"), "http://127.0.0.1:9")  # what the pipeline's inputs must win over


@pytest.fixture(autouse=True, scope="module")
def _no_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def run(source: Path, tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a finished run leaves behind: a folder a task."""
    folder = tmp_path_factory.mktemp("kfp")
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "outputs"))
    study()(
        params=yaml.safe_dump(NOWHERE, sort_keys=False),
        source=str(source),
        tracking_uri=tracking_uri,
        store=str(folder / "store"),
        overrides=["registration.model_name=from_kubeflow", "study.max_images=128"],
    )
    (outputs,) = (folder / "outputs").iterdir()
    return outputs


def test_a_run_ends_with_a_registered_model(run: Path, tracking_uri: str) -> None:
    receipt = read_json(run / "register" / "registration" / "receipt.json")
    version = MlflowClient(tracking_uri=tracking_uri).get_model_version_by_alias("from_kubeflow", "challenger")
    assert receipt["version"] == str(version.version) == "1"
    card = read_card(run / "register" / "registration", "registration")
    assert version.tags["medgraft.fingerprint"] == card["fingerprint"]


def test_every_name_of_the_plan_is_evaluated(run: Path) -> None:
    resolved = read_json(run / "plan" / "plan" / "params.json")
    assert resolved["study"]["max_images"] == 128  # an override
    assert {path.name for path in (run / "gather" / "folder").iterdir()} == set(NOWHERE["initializations"])
    metrics = read_json(run / "evaluate" / "evaluation" / "metrics.json")
    assert list(metrics["candidates"]) == list(NOWHERE["candidates"])
    for name in metrics["candidates"]:
        assert read_card(run / "gather-2" / "folder" / name, "candidate")["name"] == name


def test_the_ui_shows_the_report_and_the_winners_figures(run: Path) -> None:
    evaluated = run / "evaluate"
    assert (evaluated / "report").read_bytes() == (evaluated / "evaluation" / "report.html").read_bytes()
    metrics = read_json(evaluated / "evaluation" / "metrics.json")
    outputs = read_json(evaluated / "executor_output.json")["artifacts"]
    shown = outputs["figures"]["artifacts"][0]["metadata"]
    auroc = metrics["candidates"][metrics["winner"]]["test"]["macro"]["auroc"]
    assert shown["winner"] == metrics["winner"]
    assert (shown["auroc"], shown["auroc_low"], shown["auroc_high"]) == (
        auroc["estimate"],
        auroc["low"],
        auroc["high"],
    )


def test_params_may_be_a_uri(source: Path, tracking_uri: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(NOWHERE, sort_keys=False), encoding="utf-8")
    output = dsl.Artifact(name="plan", uri=str(tmp_path / "plan"))
    places = {"source": str(source), "tracking_uri": tracking_uri}
    names = plan.python_func(params=path.as_uri(), overrides=[], plan=output, **places)
    assert names == (["scratch"], ["probe", "full"])
    with pytest.raises(UserError, match="/nowhere"):
        plan.python_func(params=str(path), overrides=[], plan=output, **places | {"source": "/nowhere: #1"})


def test_gather_refuses_a_missing_and_a_double_artifact(tmp_path: Path) -> None:
    join: Callable[..., Any] = gather.python_func
    parts = [dsl.Artifact(uri=str(tmp_path / n), metadata={"name": n}) for n in ("a", "b")]
    for part in parts:
        Path(part.path).mkdir()
        Path(part.path, "file").write_text(part.metadata["name"])
    whole = dsl.Artifact(uri=str(tmp_path / "whole"))
    for names, artifacts in ((["a", "b"], parts[:1]), (["a"], parts), (["a"], [parts[0], parts[0]])):
        with pytest.raises(ValueError, match="are needed"):
            join(names=names, artifacts=artifacts, folder=whole)
    join(names=["a", "b"], artifacts=parts[::-1], folder=whole)
    assert {p.parent.name: p.read_text() for p in Path(whole.path).glob("*/file")} == {"a": "a", "b": "b"}
