"""A backbone as a network uses it: whole, cut off, or slimmed above a cut."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from torch import nn

from medgraft.errors import UserError
from medgraft.networks.backbones import Volumes, Weights, create_backbone, load_backbone
from medgraft.networks.cuts import Cut, Pooling, cuts, truncate, uncut
from medgraft.networks.slimming import slim
from medgraft.networks.volumetric import to_volumes


@dataclass(frozen=True)
class BackboneSpec:
    """What a backbone is and what it expects.

    `image_size`: side of its square or cubic input; `mean` and `std`: of RGB in [0, 1]; `volumes`: how it came to take
    volumes, None for images. `cut` names a place as `networks.cuts` does; what lies `above` it is removed, and the map
    there pooled (TruncatedTL, arXiv 2106.05152), or it is half as wide and new (TransFusion, arXiv 1902.07208).
    """

    architecture: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    volumes: Volumes | None = None
    cut: str | None = None
    above: Literal["removed", "slimmed"] = "removed"
    pooling: Pooling = "mean"


def assemble(spec: BackboneSpec, seed: int = 0) -> nn.Module:
    """The backbone with random weights drawn from `seed` alone; raises `UserError` where it cannot be cut like that."""
    if spec.cut is not None and spec.above == "slimmed":
        if spec.volumes == "native":
            raise UserError(f"{spec.architecture} cannot be slimmed; take a ResNet or DenseNet with `volumes: acs`")
        images = create_backbone(spec.architecture, spec.image_size, seed)
        slimmed = slim(images, spec.cut, spec.image_size, seed)
        return slimmed if spec.volumes is None else to_volumes(slimmed, _converted(spec.volumes))
    whole = create_backbone(spec.architecture, spec.image_size, seed, spec.volumes)
    return whole if spec.cut is None else truncate(whole, spec.cut, spec.image_size, spec.pooling)


@cache  # a study of many candidates asks for each of them, and counting takes a second
def places(spec: BackboneSpec) -> tuple[Cut, ...]:
    """Where the backbone can be cut, lowest first; raises `UserError` where it cannot."""
    return tuple(cuts(assemble(spec), spec.image_size))


@cache
def distinct_places(spec: BackboneSpec) -> tuple[tuple[Cut, ...], Cut]:
    """The cuts but for one that is the whole network under another name, and the whole; raises as `places`."""
    found, whole = places(spec), uncut(assemble(spec), spec.image_size)
    return (found[:-1] if found[-1].parameters == whole.parameters else found), whole


def transplant(spec: BackboneSpec, weights: Weights, seed: int) -> nn.Module:
    """The backbone with `weights`, of the whole one, wherever it is still that; the rest is drawn from `seed`.

    Raises `UserError` where the weights do not fit, or it cannot be cut like that.
    """
    whole = load_backbone(spec.architecture, spec.image_size, weights, spec.volumes)
    if spec.cut is None:
        return whole
    kept = truncate(whole, spec.cut, spec.image_size, spec.pooling)
    if spec.above == "removed":
        return kept
    slimmed = assemble(spec, seed)
    unknown = slimmed.load_state_dict(kept.trunk.state_dict(), strict=False).unexpected_keys
    assert not unknown, unknown
    return slimmed


def _converted(volumes: Volumes) -> Literal["acs", "inflated"]:
    assert volumes != "native"  # slimming knows timm's families only, and has refused
    return volumes
