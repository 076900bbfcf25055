"""Registering is killed before each of its steps in turn; run again, it must end as if nothing had happened."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from tests.registry.study import Study

from medgraft.registry.promotion import promote
from medgraft.registry.registering import name_challenger, register, registered_version
from medgraft.registry.runs import FINGERPRINT, PARENT
from medgraft.registry.server import connect
from medgraft.registry.tracking import track
from medgraft.registry.winner import Winner

WRITES = ("create_", "log_", "set_", "finalize_")
PARAMS = {"dataset": {"source": "/data/nodules"}, "study": {"seeds": [0, 1]}}


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it happens."""


class Mortal:
    """The real client, which dies instead of a writing call once there were `calls` of them; `names` are those made."""

    def __init__(self, client: MlflowClient, calls: int) -> None:
        self._client, self._calls = client, calls
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not name.startswith(WRITES):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            if len(self.names) == self._calls:
                raise Killed(name)
            self.names.append(name)
            return found(*args, **kwargs)

        return call


@pytest.fixture
def client(server: str) -> MlflowClient:
    return connect(server)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A model folder in shape only: what is in it is no concern of these steps."""
    for name in ("MLmodel", "artifacts/package/model.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def run_all(client: MlflowClient, name: str, study: Study, winner: Winner, package: Path) -> ModelVersion:
    """All of registration that talks to the server, with one candidate; experiment and model are called `name`."""
    winner = replace(winner, cards={"solid": winner.candidate})
    tracked = track(client, name, winner, study.candidates, study.evaluation, PARAMS, openings=1)
    return register(client, name, package, tracked, {FINGERPRINT: "f" * 32, "medgraft.winner": "solid"}, "text")


def state(client: MlflowClient, name: str) -> dict[str, Any]:
    """All that the server knows under that name, but for random ids and times."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    drawn = ("fit/fraction_1/seed_0/train_loss", "curve/auroc", "test/auroc")  # repeated points would show in these
    models = client.search_logged_models([experiment.experiment_id])
    return {
        "runs": sorted(
            (
                run.info.run_name,
                run.info.status,
                sorted((k, v) for k, v in run.data.tags.items() if k != PARENT),
                sorted(run.data.params.items()),
                sorted(run.data.metrics.items()),
                [(m.step, m.value) for key in drawn for m in client.get_metric_history(run.info.run_id, key)],
                sorted(file.path for file in client.list_artifacts(run.info.run_id)),
                len(run.inputs.dataset_inputs) if run.inputs else 0,
                len(run.outputs.model_outputs) if run.outputs else 0,
            )
            for run in runs
        ),
        "parents": len({run.data.tags[PARENT] for run in runs if PARENT in run.data.tags}),
        "models": [(model.name, str(model.status), model.tags[FINGERPRINT]) for model in models],
        "files": [sorted(file.path for file in client.list_logged_model_artifacts(m.model_id)) for m in models],
        "versions": [(v.version, v.tags, v.description) for v in client.search_model_versions(f"name = '{name}'")],
        "aliases": {k: str(v) for k, v in client.get_registered_model(name).aliases.items()},
    }


def test_goes_on_after_a_kill_before_any_step(
    client: MlflowClient, study: Study, winner: Winner, package: Path
) -> None:
    immortal = Mortal(client, calls=-1)
    version = run_all(cast(MlflowClient, immortal), "m-whole", study, winner, package)
    whole = state(client, "m-whole")
    assert [v[0] for v in whole["versions"]] == [version.version]
    assert whole["aliases"] == {"challenger": version.version}
    assert len(whole["runs"]) == 2
    pairs = zip(["", *immortal.names[:-1]], immortal.names, strict=True)
    steps = [step for step, (before, call) in enumerate(pairs) if call != before]  # of a row of equal calls, the first
    assert len(steps) > 12
    for step in steps:
        name = f"m-{step}"
        with pytest.raises(Killed, match=immortal.names[step]):
            run_all(cast(MlflowClient, Mortal(client, step)), name, study, winner, package)
        run_all(client, name, study, winner, package)
        left = repr(state(client, name)).replace(f"'{name}'", "'m-whole'")
        assert left == repr(whole), f"killed before {immortal.names[step]}, writing call {step}"


def test_registering_again_registers_nothing(client: MlflowClient, study: Study, winner: Winner, package: Path) -> None:
    first = run_all(client, "twice", study, winner, package)
    before = state(client, "twice")
    assert run_all(client, "twice", study, winner, package).version == first.version
    assert state(client, "twice") == before


def test_a_version_is_found_by_its_fingerprint_alone(
    client: MlflowClient, study: Study, winner: Winner, package: Path
) -> None:
    assert registered_version(client, "found", "f" * 32) is None
    made = run_all(client, "found", study, winner, package)
    found = registered_version(client, "found", "f" * 32)
    assert found is not None
    assert found.version == made.version
    assert registered_version(client, "found", "a" * 32) is None
    assert registered_version(client, "other", "f" * 32) is None


def test_a_champion_is_not_named_challenger_again(
    client: MlflowClient, study: Study, winner: Winner, package: Path
) -> None:
    version = run_all(client, "chosen", study, winner, package)
    promote(client, version, ["good"], None)
    assert client.get_registered_model("chosen").aliases == {"champion": version.version}
    assert name_challenger(client, version) == "champion"
    assert client.get_registered_model("chosen").aliases == {"champion": version.version}
    tags = client.get_model_version("chosen", version.version).tags
    assert tags["medgraft.promoted_because"] == "good"
    assert tags["medgraft.replaced_version"] == "none"
