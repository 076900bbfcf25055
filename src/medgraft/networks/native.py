"""Networks made for volumes: MONAI's, without classifier, with what `networks.cuts` asks of a backbone.

MONAI is imported when one is created, since that takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from medgraft.catalog import nearest
from medgraft.errors import UserError
from medgraft.networks.units import LAST

INPUTS = 3  # channels: a gray volume is given three times, as to converted 2D networks
RESNETS: dict[str, tuple[str, list[int]]] = {
    "monai_resnet10": ("basic", [1, 1, 1, 1]),
    "monai_resnet18": ("basic", [2, 2, 2, 2]),
    "monai_resnet34": ("basic", [3, 4, 6, 3]),
    "monai_resnet50": ("bottleneck", [3, 4, 6, 3]),
}
DENSENETS = {"monai_densenet121": (6, 12, 24, 16)}


@dataclass(frozen=True)
class Pieces:
    """Regular expressions as timm's `group_matcher` has them: the stem's, those of stages, those of units."""

    stem: str
    stages: str
    units: str | list[tuple[str, tuple[int] | None]]


class Native(nn.Module):
    """Layers in a row, float32 [B, 3, D, H, W] → [B, head_hidden_size]: the mean over the last map."""

    dimensions = 3

    def __init__(self, layers: Mapping[str, nn.Module], features: int, pieces: Pieces) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.head_hidden_size = features  # as timm calls it
        self.pieces = pieces

    def forward(self, volumes: Tensor) -> Tensor:
        """Pooled features."""
        return self.forward_features(volumes).mean((2, 3, 4))

    def forward_features(self, volumes: Tensor) -> Tensor:
        """The map before pooling, [B, C, D', H', W']."""
        for layer in self.children():
            volumes = layer(volumes)
        return volumes

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Which parameters belong together, in timm's form: by stages (`coarse`) or by units."""
        return {"stem": self.pieces.stem, "blocks": self.pieces.stages if coarse else self.pieces.units}


def native_architectures() -> list[str]:
    """Names that `create_native` knows."""
    return sorted([*RESNETS, *DENSENETS])


def create_native(architecture: str) -> nn.Module:
    """A network for volumes with weights drawn from torch's global state; parameters are named as MONAI names them.

    Raises `UserError` with the nearest spelling for an unknown name.
    """
    if architecture in RESNETS:
        return _resnet(*RESNETS[architecture])
    if architecture in DENSENETS:
        return _densenet(DENSENETS[architecture])
    names = native_architectures()
    raise UserError(
        f"unknown architecture for volumes '{architecture}'{nearest(architecture, names)}; there are {', '.join(names)}"
    )


def _resnet(block: str, layers: list[int]) -> Native:
    """For small volumes: a first convolution of 3³ without stride, no max-pooling after it, shortcuts that learn.

    So are the 3D ResNets of MedMNIST v2 (arXiv 2110.14795; github.com/MedMNIST/experiments, MedMNIST3D/models.py) at
    28³, and, with 7³, those of ACS convolutions at 48³ (github.com/M3DV/ACSConv, experiments/lidc/resnet.py). MONAI's
    own shortcut of type A, in its resnet18 and resnet34, passes no gradient on.
    """
    from monai.networks.nets.resnet import ResNet

    made = ResNet(
        block,
        layers,
        [64, 128, 256, 512],
        n_input_channels=INPUTS,
        conv1_t_size=3,
        conv1_t_stride=1,
        no_max_pool=True,
        shortcut_type="B",
        bias_downsample=False,
        feed_forward=False,
    )
    names = ("conv1", "bn1", "act", "layer1", "layer2", "layer3", "layer4")
    pieces = Pieces(r"^conv1|bn1", r"^layer(\d+)", r"^layer(\d+)\.(\d+)")
    return Native({name: made.get_submodule(name) for name in names}, made.in_planes, pieces)


def _densenet(blocks: tuple[int, ...]) -> Native:
    """Without the max-pooling of its stem, as the ResNets: with it, nothing would be left of 28³ at the third block."""
    from monai.networks.nets.densenet import DenseNet

    made = DenseNet(3, INPUTS, out_channels=1, block_config=blocks)
    features, last = made.features, cast(nn.BatchNorm3d, made.features.norm5)
    features.pool0 = nn.Identity()
    features.add_module(
        "relu5", cast(nn.Module, made.class_layers.relu)
    )  # it precedes the pooling, and follows the last norm
    pieces = Pieces(
        r"^features\.(conv|norm)0",
        r"^features\.(?:denseblock|transition)(\d+)",
        [(r"^features\.denseblock(\d+)\.denselayer(\d+)", None), (r"^features\.transition(\d+)", LAST)],
    )
    return Native({"features": features}, last.num_features, pieces)
