import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf.message import Message
from numpy.typing import NDArray
from tests.nets import net, net_spec

from medgraft.networks.export import export, export_calibrated
from medgraft.networks.network import load_network, save_network
from medgraft.params import Task

TEMPERATURE = 1.7

NAMES = ("model", "logits")
SIZES = [(1, 1), (1, 300), (300, 1), (2, 3), (63, 65), (64, 64), (64, 100), (80, 70), (500, 333)]
AGAIN = """
import sys
from pathlib import Path
from medgraft.networks.network import load_network
from medgraft.networks.export import export
export(load_network(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def exported(folder: Path, task: Task, classes: tuple[str, ...], scale: float = 100) -> Path:
    """A network's folder, and its exports beside it."""
    network = net(net_spec("mobilenetv3_small_100", 64, classes, task), seed=3, head_seed=4)
    with torch.no_grad():
        network.head.get_parameter("0.weight").mul_(scale)  # a fresh head says the same to everything
    network.take_back(torch.linspace(-1, 1, len(classes)))
    save_network(network, folder)
    export(network, folder / "logits.onnx")
    export_calibrated(folder / "logits.onnx", task, TEMPERATURE, folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a binary task."""
    return exported(tmp_path_factory.mktemp("content"), "binary", ("no", "yes"))


def images() -> Iterator[NDArray[np.uint8]]:
    """Noise on backgrounds from black to white."""
    rng = np.random.default_rng(1)
    for light in (0, 60, 120, 200):
        yield rng.integers(light, light + 56, (1, 90, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize("task", ["ordinal", "multilabel"])
def test_other_tasks_are_served_as_torch_computes_them(task: Task, tmp_path: Path) -> None:
    folder = exported(tmp_path, task, ("a", "b", "c", "d", "e"), scale=5000)
    network = load_network(folder)
    runs = [onnxruntime.InferenceSession(folder / f"{n}.onnx", providers=["CPUExecutionProvider"]) for n in NAMES]
    seen = []
    for image in images():
        probabilities, logits = (run.run(None, {"image": image})[0] for run in runs)
        with torch.inference_mode():
            expected = network.predict(torch.from_numpy(image))
        np.testing.assert_allclose(logits, expected.numpy(), rtol=0, atol=1e-5)
        scaled = expected.double() / TEMPERATURE
        calibrated = scaled.sigmoid() if task == "multilabel" else scaled.softmax(1)
        np.testing.assert_allclose(probabilities, calibrated.numpy(), rtol=0, atol=5e-6)
        seen.append(probabilities[0])
    assert np.ptp(seen, axis=0).max() > 0.01  # the images are told apart
    assert (abs(np.sum(seen, axis=1) - 1) < 1e-6).all() == (task == "ordinal")


def test_logits_and_probabilities_are_one_graph(content: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1, 90, 50, 3), dtype=np.uint8)
    runs = [onnxruntime.InferenceSession(content / f"{n}.onnx", providers=["CPUExecutionProvider"]) for n in NAMES]
    probabilities, logits = (run.run(None, {"image": image})[0].astype(np.float64) for run in runs)
    scaled = np.exp((logits - logits.max()) / TEMPERATURE)
    np.testing.assert_allclose(probabilities, scaled / scaled.sum(), rtol=0, atol=2e-7)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_computes_what_torch_computes_at_any_size(content: Path, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(content / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"image": image})[0]
    with torch.inference_mode():
        expected = (load_network(content).predict(torch.from_numpy(image)) / TEMPERATURE).softmax(1).numpy()
    assert found.dtype == np.float32
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_another_process_in_another_folder_writes_the_same_bytes(content: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.onnx"
    command = [sys.executable, "-c", AGAIN, str(content), str(out)]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    assert out.read_bytes() == (content / "logits.onnx").read_bytes()


def test_what_lies_above_a_cut_is_not_in_the_file(content: Path, tmp_path: Path) -> None:
    whole = net_spec("mobilenetv3_small_100", 64)
    network = net(replace(whole, backbones=(replace(whole.backbones[0], cut="blocks.2.0"),)))
    export(network, tmp_path / "cut.onnx")
    held = sum(int(np.prod(i.dims)) for i in onnx.load(tmp_path / "cut.onnx").graph.initializer)
    assert held == pytest.approx(sum(p.numel() for p in network.parameters()), rel=0.1)
    assert (tmp_path / "cut.onnx").stat().st_size < 0.1 * (content / "logits.onnx").stat().st_size


def test_tells_nothing_of_where_it_was_made(content: Path) -> None:
    model = onnx.load(content / "model.onnx")
    raw = (content / "model.onnx").read_bytes()
    assert not model.graph.initializer[0].external_data
    assert not any(part in raw for part in (b".py", str(Path.cwd()).encode(), str(Path.home()).encode() + b"/"))
    assert set(_notes(model)) == set()


def _notes(message: Message) -> list[str]:
    found = []
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            found.append(field.full_name)
        elif field.message_type is not None:
            found += [note for part in (value if field.is_repeated else [value]) for note in _notes(part)]
    return found
