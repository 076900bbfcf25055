"""Where a backbone can be cut, and cutting it: what lies above is gone, what lies below gives what it gave before.

A cut lies above a unit, see `units`. TruncatedTL (arXiv 2106.05152, section 3) searches blocks, then units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from medgraft.catalog import nearest
from medgraft.errors import UserError
from medgraft.networks.measuring import Measured, Place, blank, channels_last, measure, operations, shadow_of
from medgraft.networks.units import STEM, blocks_of, owners, parameters_up_to, uncuttable, units_of

Pooling = Literal["mean", "flatten"]
WHOLE = "whole"
# What timm's networks raise when a layer they look for has been cut off.
FAILURES = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Cut:
    """A place right above a unit.

    `name`: path of the unit in the backbone, or "stem"; `block`: number of its stage, 0 for the stem; `ends_block`:
    whether it is the last of its stage. `channels` at that place, `reduction`: how many times smaller than the image
    the map is there; `parameters` and `macs` (one image) of all up to there.
    """

    name: str
    block: int
    ends_block: bool
    channels: int
    reduction: int
    parameters: int
    macs: int


class Truncated(nn.Module):
    """A backbone up to a cut, float32 [B, 3, H, W] or [B, 3, D, H, W] → [B, features].

    The features are the mean over the map, or the map itself.
    """

    def __init__(self, trunk: nn.Module, channels: int, pooling: Pooling) -> None:
        super().__init__()
        self.trunk, self.pooling = trunk, pooling
        self.head_hidden_size = channels  # as timm calls it

    def forward(self, inputs: Tensor) -> Tensor:
        """Pooled features at the cut."""
        return pooled(self.trunk, self.activations(inputs), self.pooling)

    def activations(self, inputs: Tensor) -> Tensor:
        """The activations at the cut, in the backbone's own layout."""
        found: Tensor = cast(Any, self.trunk).forward_features(inputs)
        return found


def pooled(trunk: nn.Module, activations: Tensor, pooling: Pooling) -> Tensor:
    """Activations → [B, features]. Tokens are pooled as the backbone does it itself: its class token, or their mean."""
    if pooling == "flatten":
        return activations.flatten(1)
    if activations.ndim == 3:
        own = getattr(trunk, "pool", None)
        return cast(Tensor, own(activations)) if callable(own) else activations.mean(dim=1)
    return activations.mean(dim=(1, 2) if channels_last(trunk) else tuple(range(2, activations.ndim)))


def cuts(backbone: nn.Module, image_size: int) -> list[Cut]:
    """All places where a backbone can be cut, lowest first; raises `UserError` where there is none.

    Those are the units after which, cut off there, it gives what it has there now. The stem is none where a class token
    is read: it has not seen the image yet.
    """
    units = units_of(backbone)
    measured = measure(backbone, units, image_size)
    real: list[Place] = []
    for place in reversed(measured.places):  # the highest first: one copy is cut further and further
        _prune(measured.shadow, parameters_up_to(backbone, place.name))
        if _delivered(place, measured, image_size) is not None:
            real.insert(0, place)
    found = _listed(backbone, units, real)
    if not found:
        raise uncuttable(backbone, "without its upper layers it does not give what it gave there")
    return found


def uncut(backbone: nn.Module, image_size: int) -> Cut:
    """The whole backbone, as the last of all cuts and the end of the last block: what it gives itself."""
    units = units_of(backbone)
    last = _listed(backbone, units, measure(backbone, units, image_size).places)[-1]
    counter = FlopCounterMode(display=False)
    shadow = shadow_of(backbone)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        features: Tensor = shadow(blank(shadow, image_size))
    return replace(
        last,
        name=WHOLE,
        ends_block=True,
        channels=features.shape[1],
        parameters=sum(p.numel() for p in backbone.parameters()),
        macs=int(counter.get_total_flops()) // 2,
    )


def find_cut(places: Sequence[Cut], name: str) -> Cut:
    """The cut of that name; raises `UserError` with the nearest spelling."""
    for place in places:
        if place.name == name:
            return place
    names = [place.name for place in places]
    raise UserError(f"there is no cut '{name}'{nearest(name, names)}; there are {', '.join(names)}")


def truncate(backbone: nn.Module, name: str, image_size: int, pooling: Pooling = "mean") -> Truncated:
    """The backbone up to the cut, made of its own modules: `backbone` is used up. Raises `UserError` as `find_cut`."""
    units = units_of(backbone)
    measured = measure(backbone, units, image_size)
    channels = find_cut(_listed(backbone, units, measured.places), name).channels
    kept = parameters_up_to(backbone, name)
    _prune(measured.shadow, kept)
    (place,) = (place for place in measured.places if place.name == name)
    activations = _delivered(place, measured, image_size)
    if activations is None:
        raise uncuttable(backbone, f"cut off at '{name}', it would not give what it gives there")
    training = backbone.training
    _prune(backbone, kept)
    width = activations[0].numel() if pooling == "flatten" else channels
    return Truncated(backbone, width, pooling).train(training)


def _listed(backbone: nn.Module, units: Sequence[str], places: Sequence[Place]) -> list[Cut]:
    names = [STEM, *units]
    blocks = dict(zip(names, [0, *blocks_of(backbone, units)], strict=True))
    sizes = dict(zip(names, _parameters(backbone, units), strict=True))
    if getattr(backbone, "global_pool", None) == "token":
        places = [place for place in places if place.name != STEM]
    following = [*(blocks[place.name] for place in places), None][1:]
    return [
        Cut(p.name, blocks[p.name], blocks[p.name] != above, p.channels, p.reduction, sizes[p.name], p.macs)
        for p, above in zip(places, following, strict=True)
    ]


def _delivered(place: Place, measured: Measured, image_size: int) -> Tensor | None:
    """The activations of the shadow that is cut off at the place; None where they are not those of the whole there.

    They are, if all that was computed is what the whole had computed up to there, and the features are as many.
    """
    try:
        activations, run = operations(measured.shadow, image_size)
    except FAILURES:
        return None
    if not isinstance(activations, Tensor):  # a layer that joins several maps has been cut off
        return None
    features = pooled(measured.shadow, activations, "mean")
    same = run == place.run and features.shape == (1, place.channels)
    return activations if same else None


def _parameters(backbone: nn.Module, units: Sequence[str]) -> list[int]:
    """How many parameters lie at or below the stem, and each unit."""
    counts = dict.fromkeys([STEM, *units], 0)
    for parameter, unit in owners(backbone, units):
        if unit in counts:
            counts[unit] += backbone.get_parameter(parameter).numel()
    total, sums = 0, []
    for count in counts.values():
        total += count
        sums.append(total)
    return sums


def _prune(module: nn.Module, kept: set[str], path: str = "") -> bool:
    """Take out all that has no kept parameter, and what follows it; whether anything was taken out here or below."""
    cut = False
    for name, child in list(module.named_children()):
        inside = f"{path}{name}."
        mine = [p for p, _ in child.named_parameters()]
        if not cut and (not mine or any(inside + p in kept for p in mine)):
            cut = bool(mine) and _prune(child, kept, inside)
            continue
        cut = True
        if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            del module._modules[name]
        else:
            setattr(module, name, nn.Identity())
    return cut
