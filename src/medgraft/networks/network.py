"""A network as a study sees it: preprocessing, backbones, head; and its folder of safetensors and JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medgraft.artifacts import read_json, write_json
from medgraft.networks.assembly import BackboneSpec, assemble, transplant
from medgraft.networks.backbones import Weights, feature_count
from medgraft.networks.heads import CumulativeLink, Kind, Linear, make_head
from medgraft.networks.preprocess import Preprocess
from medgraft.networks.preprocess_volume import PreprocessVolume
from medgraft.params import Task

WEIGHTS = "model.safetensors"
SPEC = "network.json"
EIGHT_BITS = (0.0, 255.0)


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to build a network and to feed it.

    `task` says what the logits mean: their softmax are the probabilities of binary, multiclass and ordinal classes
    (an ordinal head's come from one score, see `CumulativeLink`), the sigmoid of each those of multilabel classes.
    `head` is what precedes the last layer, see `make_head`. `window`: the values of volumes that become black and
    white.
    """

    backbones: tuple[BackboneSpec, ...]
    classes: tuple[str, ...]
    head: Kind
    task: Task
    window: tuple[float, float] = EIGHT_BITS

    @property
    def dimensions(self) -> int:
        """3 for volumes, 2 for images."""
        return 2 if self.backbones[0].volumes is None else 3


class Network(nn.Module):
    """Backbones side by side, and a head on their features; `preprocess` goes before them, apart, since training
    augments in between.
    """

    def __init__(self, spec: NetworkSpec, backbones: Sequence[nn.Module], seed: int) -> None:
        super().__init__()
        self.spec = spec
        self.preprocesses = nn.ModuleList(make_preprocess(backbone, spec.window) for backbone in spec.backbones)
        self.backbones = nn.ModuleList(backbones)
        widths = [feature_count(backbone) for backbone in backbones]
        self.head = make_head(spec.task, spec.head, widths, len(spec.classes), seed)

    def preprocess(self, images: Tensor) -> list[Tensor]:
        """Images as stored → what each backbone takes, normalised float32 [B, 3, size, size (, size)].

        Images are uint8 [B, H, W, 1 or 3]; volumes uint8, int16 or float32 [B, X, Y, Z, 1].
        """
        return [preprocess(images) for preprocess in self.preprocesses]

    def features(self, *inputs: Tensor) -> Tensor:
        """What `preprocess` gives → features of all backbones side by side, [B, features]."""
        found = [backbone(given) for backbone, given in zip(self.backbones, inputs, strict=True)]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """What `preprocess` gives → logits [B, classes]."""
        logits: Tensor = self.head(self.features(*inputs))
        return logits

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Images as stored → logits float32 [B, classes]."""
        logits: Tensor = self(*self.preprocess(images))
        return logits.float()

    def blank(self, batch: int = 1) -> list[Tensor]:
        """Inputs of the right shapes, all zero."""
        shapes = ([batch, 3, *[b.image_size] * self.spec.dimensions] for b in self.spec.backbones)
        return [torch.zeros(shape) for shape in shapes]

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


def make_preprocess(backbone: BackboneSpec, window: tuple[float, float]) -> Preprocess | PreprocessVolume:
    """What goes before a backbone; `window` is that of volumes."""
    if backbone.volumes is None:
        return Preprocess(backbone.image_size, backbone.mean, backbone.std)
    return PreprocessVolume(backbone.image_size, backbone.mean, backbone.std, window)


def new_network(spec: NetworkSpec, weights: Sequence[Weights], seed: int) -> Network:
    """A network whose backbones start from `weights` of whole ones; what they do not tell is drawn from `seed`."""
    backbones = [transplant(backbone, own, seed) for backbone, own in zip(spec.backbones, weights, strict=True)]
    return Network(spec, backbones, seed)


def save_network(network: Network, folder: Path) -> None:
    """Write `model.safetensors` and `network.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / SPEC, asdict(network.spec))


def load_network(folder: Path) -> Network:
    """The network kept in a folder, in evaluation mode on the CPU."""
    spec = read_spec(folder)
    network = Network(spec, [assemble(backbone) for backbone in spec.backbones], seed=0)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


def read_spec(folder: Path) -> NetworkSpec:
    """The spec kept in a folder."""
    raw: dict[str, Any] = read_json(folder / SPEC)
    backbones = tuple(BackboneSpec(**b | {key: tuple(b[key]) for key in ("mean", "std")}) for b in raw["backbones"])
    return NetworkSpec(**raw | {"backbones": backbones} | {key: tuple(raw[key]) for key in ("classes", "window")})
