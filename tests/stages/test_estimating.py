"""The plan's estimate of time, for every kind of label."""

from pathlib import Path

import pytest
from tests.tiny import tiny_params

from medgraft.params import Params, Task
from medgraft.pretraining import MethodSettings, methods
from medgraft.stages.estimating import describe, estimates
from medgraft.stages.resolution import Resolved
from medgraft.transfer import strategies


def resolved_study(task: Task, **study: int) -> Resolved:
    raw = tiny_params(Path("phantoms"), "http://127.0.0.1:5000")
    classes = ["a", "b"] if task == "binary" else ["a", "b", "c"]
    changed = {"dataset": raw["dataset"] | {"task": task, "classes": classes}, "study": raw["study"] | study}
    scratch: MethodSettings = methods.get("random").settings(**raw["initializations"]["scratch"])
    candidates = {name: strategies.get(c["strategy"]).settings(**c) for name, c in raw["candidates"].items()}
    return Resolved(Params(**raw | changed), {"scratch": scratch}, candidates)


def test_a_chunk_is_no_longer_than_the_run_it_is_of() -> None:
    _, full = estimates(resolved_study("binary", chunk_steps=10_000), 200)
    assert full.chunk_seconds == pytest.approx(full.seconds)


@pytest.mark.parametrize("task", ["binary", "multiclass", "ordinal", "multilabel"])
def test_a_step_of_the_real_task_is_measured(task: Task) -> None:
    resolved = resolved_study(task)
    found = estimates(resolved, 200)
    assert [e.name for e in found] == ["probe", "full"]
    probe, full = found
    assert probe.runs == full.runs == 1
    assert probe.chunk_seconds == 0 < probe.seconds < full.seconds < 600
    assert 0 < full.chunk_seconds < full.seconds
    assert full.bytes_ > 4 * 4 * 1_518_000  # four copies of mobilenetv3_small_100's float32 parameters, and activations
    assert any(task in line for line in describe(found, 200, resolved))
