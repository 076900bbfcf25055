import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf.message import Message

from medgraft.networks.backbones import create_backbone
from medgraft.networks.export import Calibrated, export
from medgraft.networks.network import Network, NetworkSpec, load_network, save_network

TEMPERATURE = 1.7

NAMES = ("model", "logits")
SIZES = [(1, 1), (1, 300), (300, 1), (2, 3), (63, 65), (64, 64), (64, 100), (80, 70), (500, 333)]
AGAIN = """
import sys
from pathlib import Path
from medgraft.networks.network import load_network
from medgraft.networks.export import export
export(load_network(Path(sys.argv[1])), float(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network's folder, and its exports beside it."""
    folder = tmp_path_factory.mktemp("content")
    spec = NetworkSpec("mobilenetv3_small_100", 64, (0.5,) * 3, (0.25,) * 3, ("no", "yes"), "linear")
    network = Network(spec, create_backbone(spec.architecture, spec.image_size, 3), seed=4).eval()
    with torch.no_grad():
        network.classifier.weight.mul_(100)  # a fresh head says 0.5 to everything
    save_network(network, folder)
    export(network, TEMPERATURE, folder / "model.onnx")
    export(network, None, folder / "logits.onnx")
    return folder


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
        expected = Calibrated(load_network(content), TEMPERATURE)(torch.from_numpy(image)).numpy()
    assert found.dtype == np.float32
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_another_process_in_another_folder_writes_the_same_bytes(content: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.onnx"
    command = [sys.executable, "-c", AGAIN, str(content), str(TEMPERATURE), str(out)]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    assert out.read_bytes() == (content / "model.onnx").read_bytes()


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
