"""A trained network as one ONNX file: image as decoded → logits, or calibrated probabilities."""

from pathlib import Path

import onnx
import torch
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from torch import Tensor, nn
from torch.export import Dim

from medgraft.networks.network import Network
from medgraft.params import Task

INPUT, OUTPUT, LOGITS = "image", "probabilities", "logits"
MODEL = "model.onnx"
OPSET = 18
LARGEST_SIDE = 65_535
LARGEST_BATCH = 1024
# The shapes traced, of which batch and sides stay open: unequal, and not what is resized to.
TRACED = {2: (2, 80, 70, 3), 3: (2, 20, 22, 26, 1)}
SIDES = {2: ("height", "width"), 3: ("x", "y", "z")}


class _Served(nn.Module):
    """Preprocessing and network in one graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """uint8 [B, height, width, 3], or float32 [B, x, y, z, 1] → logits float32 [B, classes]."""
        logits: Tensor = self.network(*self.network.preprocess(image))
        return logits


def export(network: Network, path: Path) -> None:
    """Write `network` to `path`, with weights inside: image → logits; the same bytes for the same network.

    The network is left in evaluation mode, its activations out of place; it computes the same.

    The exporter's notes (stack traces with file paths, names of the tracing, its own version) are left out: they
    tell where the file was made, not what it computes.
    """
    network.eval()
    for module in network.modules():  # in place, an activation is taken apart: twice the time, slower graphs
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # in torch's stubs an attribute is tensor or module
    dimensions = network.spec.dimensions
    example = torch.zeros(TRACED[dimensions], dtype=torch.uint8 if dimensions == 2 else torch.float32)
    sides = {axis: Dim(name, min=1, max=LARGEST_SIDE) for axis, name in enumerate(SIDES[dimensions], start=1)}
    program = torch.onnx.export(
        _Served(network).eval(),
        (example,),
        dynamo=True,
        dynamic_shapes=({0: Dim("batch", min=1, max=LARGEST_BATCH)} | sides,),
        input_names=[INPUT],
        output_names=[LOGITS],
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    model.ClearField("producer_version")
    _forget_notes(model)
    _write(model, path)


def export_calibrated(logits: Path, task: Task, temperature: float, path: Path) -> None:
    """Write the graph at `logits` to `path` with two nodes more: division by the temperature, and probabilities.

    Temperature scaling: Guo et al., arXiv 1706.04599, section 4.2. Probabilities float32 [B, classes] add up to one,
    but for multilabel: there each class has its own.
    """
    model = onnx.load(logits)
    graph = model.graph
    graph.initializer.append(onnx.helper.make_tensor("temperature", onnx.TensorProto.FLOAT, [], [temperature]))
    graph.node.append(onnx.helper.make_node("Div", [LOGITS, "temperature"], ["scaled"]))
    if task == "multilabel":
        graph.node.append(onnx.helper.make_node("Sigmoid", ["scaled"], [OUTPUT]))
    else:
        graph.node.append(onnx.helper.make_node("Softmax", ["scaled"], [OUTPUT], axis=1))
    graph.output[0].name = OUTPUT
    _write(model, path)


def _write(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_notes(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                _forget_notes(part)
