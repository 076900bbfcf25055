"""Networks for tests: one backbone and a head."""

from collections.abc import Sequence

from torch import nn

from medgraft.networks.assembly import BackboneSpec, assemble
from medgraft.networks.heads import Kind
from medgraft.networks.network import Network, NetworkSpec
from medgraft.params import Task

HALF = (0.5, 0.5, 0.5)
QUARTER = (0.25, 0.25, 0.25)


def net_spec(
    architecture: str,
    size: int,
    classes: Sequence[str] = ("no", "yes"),
    task: Task = "binary",
    head: Kind = "linear",
    std: tuple[float, ...] = QUARTER,
) -> NetworkSpec:
    """Of a network of one whole backbone for images."""
    return NetworkSpec((BackboneSpec(architecture, size, HALF, std),), tuple(classes), head, task)


def net(spec: NetworkSpec, *backbones: nn.Module, seed: int = 0, head_seed: int = 0) -> Network:
    """A network of these backbones, or of ones drawn from `seed`, in evaluation mode."""
    made = backbones or tuple(assemble(backbone, seed) for backbone in spec.backbones)
    return Network(spec, made, seed=head_seed).eval()
