"""Where a backbone can be cut, and cutting it: what lies above is gone, what lies below gives what it gave before.

A cut lies above a unit, see `units`. TruncatedTL (arXiv 2106.05152, section 3) searches blocks, then units.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from medgraft.catalog import nearest
from medgraft.errors import UserError
from medgraft.networks.units import STEM, blocks_of, last_of, owners, parameters_up_to, uncuttable, units_of

Pooling = Literal["mean", "flatten"]
WHOLE = "whole"


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
    return activations.mean(dim=(1, 2) if _channels_last(trunk) else tuple(range(2, activations.ndim)))


def cuts(backbone: nn.Module, image_size: int) -> list[Cut]:
    """All places where a backbone can be cut, lowest first; raises `UserError` where its layers are no chain.

    The stem is none where a class token is read: it has not seen the image yet.
    """
    units = units_of(backbone)
    seen = _measured(backbone, units, image_size)
    if [name for name, *_ in seen] != [STEM, *units]:
        raise uncuttable(backbone, "its layers do not run one after the other")
    blocks = [0, *blocks_of(backbone, units)]
    sizes = _parameters(backbone, units)
    ends = [here != above for here, above in zip(blocks, [*blocks[1:], None], strict=True)]
    found = [
        Cut(name, block, end, channels, image_size // side, size, macs)
        for (name, channels, side, macs), block, end, size in zip(seen, blocks, ends, sizes, strict=True)
    ]
    return found[1:] if getattr(backbone, "global_pool", None) == "token" else found


def uncut(backbone: nn.Module, image_size: int) -> Cut:
    """The whole backbone, as the last of all cuts: what it gives itself, after all that follows its units."""
    last = cuts(backbone, image_size)[-1]
    counter = FlopCounterMode(display=False)
    shadow = _shadow(backbone)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        features: Tensor = shadow(_probe(shadow, image_size))
    return replace(
        last,
        name=WHOLE,
        block=last.block + 1,
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
    place = find_cut(cuts(backbone, image_size), name)
    training = backbone.training
    _prune(backbone, parameters_up_to(backbone, name))
    channels = place.channels
    if pooling == "flatten":
        shadow = _shadow(backbone)
        channels = shadow.forward_features(_probe(shadow, image_size))[0].numel()
    return Truncated(backbone, channels, pooling).train(training)


def _shadow(backbone: nn.Module) -> Any:  # noqa: ANN401  (timm's methods are not in nn.Module)
    """A copy without numbers: shapes and costs are all the same, and volumes would take seconds and gigabytes."""
    tensors = [*backbone.parameters(), *backbone.buffers()]
    return deepcopy(backbone, {id(tensor): tensor.detach().to("meta") for tensor in tensors}).eval()


def _probe(shadow: nn.Module, image_size: int) -> Tensor:
    """An image, or a volume for backbones that take those."""
    return torch.empty(1, 3, *[image_size] * int(getattr(shadow, "dimensions", 2)), device="meta")


def _channels_last(trunk: nn.Module) -> bool:
    return str(getattr(trunk, "output_fmt", "NCHW")) == "NHWC"


def _parameters(backbone: nn.Module, units: list[str]) -> list[int]:
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


def _measured(backbone: nn.Module, units: list[str], image_size: int) -> list[tuple[str, int, int, int]]:
    """(unit, channels, side of the map, MACs up to there), in the order in which they run."""
    counter = FlopCounterMode(display=False)
    seen: list[tuple[str, int, int, int]] = []

    def note(name: str, tensors: Any) -> None:  # noqa: ANN401  (a tensor, or the list a dense layer takes)
        maps = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
        if not all(isinstance(m, Tensor) and m.ndim in (3, 4, 5) for m in maps):
            raise uncuttable(backbone, "it has several maps side by side")
        shapes = [_channels_and_side(backbone, m) for m in maps]
        seen.append((name, sum(c for c, _ in shapes), shapes[0][1], int(counter.get_total_flops()) // 2))

    def before(_: nn.Module, inputs: Any) -> None:  # noqa: ANN401
        if not seen:
            note(STEM, inputs[0])

    def after(name: str) -> Any:  # noqa: ANN401
        def hook(_: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401
            dense = isinstance(inputs[0], list)
            note(name, [*inputs[0], output] if dense else output)

        return hook

    shadow = _shadow(backbone)
    shadow.get_submodule(units[0]).register_forward_pre_hook(before)
    for unit in units:
        shadow.get_submodule(last_of(shadow, unit)).register_forward_hook(after(unit))
    # Fused attention has no formula in the counter and would count as nothing.
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        shadow.forward_features(_probe(shadow, image_size))
    return seen


def _channels_and_side(backbone: nn.Module, activations: Tensor) -> tuple[int, int]:
    """Of a map, or of tokens: those of the image are a square."""
    if activations.ndim == 3:
        return activations.shape[2], isqrt(activations.shape[1] - int(getattr(backbone, "num_prefix_tokens", 0)))
    if _channels_last(backbone):
        return activations.shape[3], activations.shape[1]
    return activations.shape[1], activations.shape[2]
