"""A network as a study sees it: preprocessing, backbone, head; and its folder of safetensors and JSON."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medgraft.artifacts import read_json, write_json
from medgraft.networks.backbones import Weights, create_backbone, feature_count, load_backbone
from medgraft.networks.heads import CumulativeLink, Kind, Linear, make_head
from medgraft.networks.preprocess import Preprocess
from medgraft.params import Task

WEIGHTS = "model.safetensors"
SPEC = "network.json"


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to build a network and to feed it.

    `task` says what the logits mean: their softmax are the probabilities of binary, multiclass and ordinal classes
    (an ordinal head's come from one score, see `CumulativeLink`), the sigmoid of each those of multilabel classes.
    `head` is what precedes the last layer, see `make_head`.
    """

    architecture: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    head: Kind
    task: Task


class Network(nn.Module):
    """Backbone and head; `preprocess` goes before them, apart, since training augments in between."""

    def __init__(self, spec: NetworkSpec, backbone: nn.Module, seed: int) -> None:
        super().__init__()
        self.spec = spec
        self.preprocess = Preprocess(spec.image_size, spec.mean, spec.std)
        self.backbone = backbone
        self.head = make_head(spec.task, spec.head, feature_count(backbone), len(spec.classes), seed)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised float32 [B, 3, size, size] → logits [B, classes]."""
        logits: Tensor = self.head(self.backbone(inputs))
        return logits

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """uint8 [B, H, W, 1 or 3] as stored → logits float32 [B, classes]."""
        logits: Tensor = self(self.preprocess(images))
        return logits.float()

    @torch.no_grad()
    def start_at(self, logits: Tensor) -> None:
        """Let the head give these logits, float [classes], whatever the image, as far as its weights are still small.

        An ordinal head starts at their softmax.
        """
        self._last.start_at(logits)

    @torch.no_grad()
    def take_back(self, shift: Tensor) -> None:
        """Subtract `shift`, float [classes], from all logits to come, those of the saved network included."""
        self._last.take_back(shift)

    @property
    def _last(self) -> Linear | CumulativeLink:
        last = self.head[-1]
        assert isinstance(last, Linear | CumulativeLink)
        return last


def new_network(spec: NetworkSpec, weights: Weights, seed: int) -> Network:
    """A network with the given backbone weights and a head drawn from `seed`."""
    return Network(spec, load_backbone(spec.architecture, spec.image_size, weights), seed)


def save_network(network: Network, folder: Path) -> None:
    """Write `model.safetensors` and `network.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / SPEC, asdict(network.spec))


def load_network(folder: Path) -> Network:
    """The network kept in a folder, in evaluation mode on the CPU."""
    spec = read_spec(folder)
    network = Network(spec, create_backbone(spec.architecture, spec.image_size), seed=0)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


def read_spec(folder: Path) -> NetworkSpec:
    """The spec kept in a folder."""
    raw: dict[str, Any] = read_json(folder / SPEC)
    return NetworkSpec(**raw | {key: tuple(raw[key]) for key in ("mean", "std", "classes")})
