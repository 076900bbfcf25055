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
from tests.registry.study import TEMPERATURE, Study

from medgraft.networks.export import Calibrated
from medgraft.networks.network import load_network

SIZES = [(1, 1), (1, 300), (300, 1), (2, 3), (63, 65), (64, 64), (64, 100), (80, 70), (500, 333)]
AGAIN = """
import sys
from pathlib import Path
from medgraft.networks.network import load_network
from medgraft.networks.export import export
export(load_network(Path(sys.argv[1])), float(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_computes_what_torch_computes_at_any_size(study: Study, content: Path, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(content / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"image": image})[0]
    with torch.inference_mode():
        expected = Calibrated(load_network(study.candidates / "solid"), TEMPERATURE)(torch.from_numpy(image)).numpy()
    assert found.dtype == np.float32
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_another_process_in_another_folder_writes_the_same_bytes(study: Study, content: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.onnx"
    command = [sys.executable, "-c", AGAIN, str(study.candidates / "solid"), str(TEMPERATURE), str(out)]
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
