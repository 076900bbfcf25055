"""The plan's estimate of time, for every kind of label."""

from pathlib import Path

import pytest
from tests.tiny import tiny_params

from medgraft.errors import UserError
from medgraft.params import Params, Task
from medgraft.pretraining import MethodSettings, methods
from medgraft.stages.estimating import describe, estimates
from medgraft.stages.resolution import Resolved
from medgraft.transfer import strategies


def resolved_study(task: Task, **study: int) -> Resolved:
    raw = tiny_params(Path("phantoms"), "http://127.0.0.1:5000")
    classes = ["a", "b"] if task == "binary" else ["a", "b", "c"]
    changed = {"dataset": raw["dataset"] | {"task": task, "classes": classes}, "study": raw["study"] | study}
    network = raw["initializations"]["scratch"] | {"architecture": "mobilenetv3_small_100"}
    scratch: MethodSettings = methods.get("random").settings(**network)
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
    lines = describe(found, 200, resolved)
    assert any(task in line for line in lines)
    assert any("probe" in line and "for its features" in line for line in lines)


def test_memory_is_four_copies_of_the_parameters_and_the_activations() -> None:
    by_batch = [estimates(resolved_study("binary", batch_size=size), 200)[1].bytes_ for size in (8, 16, 32)]
    small, middle, large = by_batch
    parameters = 4 * 4 * (1_517_984 + 2 * (1024 + 1))  # mobilenetv3_small_100's and its head's, float32
    assert large - middle == pytest.approx(2 * (middle - small), rel=0.02)  # activations grow with the batch
    assert small - (middle - small) == pytest.approx(parameters, rel=0.02)  # without any, the copies are left


def test_a_strategy_that_trains_less_than_all_takes_at_most_as_long() -> None:
    resolved = resolved_study("binary")
    settings = {"strategy": "truncated", "initialization": "scratch", "cut": "blocks.1.1"}
    resolved.candidates["cut"] = strategies.get("truncated").settings(**settings)
    lines = describe(estimates(resolved, 200), 200, resolved)
    assert [("at most" in line) for line in lines if line.startswith("candidate")] == [False, False, True]


def test_a_step_that_fails_is_told() -> None:
    resolved = resolved_study("binary")
    raw = {"method": "random", "architecture": "densenet121", "image_size": 28}
    resolved.initializations["scratch"] = methods.get("random").settings(**raw)
    with pytest.raises(UserError, match=r"densenet121 with \d+ images of side 28 fails: .*take another image_size"):
        estimates(resolved, 200)
