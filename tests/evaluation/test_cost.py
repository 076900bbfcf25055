"""How long an exported model takes, by a clock that every call of the model moves on by a thousandth of a second."""

from itertools import count
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from medgraft.evaluation import cost
from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.export import INPUT
from medgraft.networks.network import NetworkSpec

HALF = (0.5, 0.5, 0.5)


def graph(path: Path, kind: int, shape: list[str | int]) -> Path:
    """A model that gives back what it takes."""
    given, back = (helper.make_tensor_value_info(name, kind, shape) for name in (INPUT, "back"))
    nodes = [helper.make_node("Identity", [INPUT], ["back"])]
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_model(helper.make_graph(nodes, "identity", [given], [back]), opset_imports=opset, ir_version=8)
    onnx.save(made, path)
    return path


def test_of_volumes_four_are_measured_and_32_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks) / 1000)
    flat = BackboneSpec("resnet18", 8, HALF, HALF)
    solid = BackboneSpec("resnet18", 8, HALF, HALF, volumes="acs")
    models = {
        "images": (graph(tmp_path / "2d.onnx", TensorProto.UINT8, ["n", 8, 8, 3]), flat),
        "volumes": (graph(tmp_path / "3d.onnx", TensorProto.FLOAT, ["n", 8, 8, 8, 1]), solid),
    }
    specs = {name: (path, NetworkSpec((b,), ("a", "b"), "linear", "binary")) for name, (path, b) in models.items()}
    found = cost.latencies(specs)
    for name, expected in (("images", 1.0), ("volumes", 8.0)):
        for measured in ("low", "median", "high"):
            assert found[name][f"latency_ms_batch1_{measured}"] == pytest.approx(1)
            assert found[name][f"latency_ms_batch32_{measured}"] == pytest.approx(expected)
