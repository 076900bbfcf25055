"""What a whole backbone says at its cuts, seen in one pass: the features that backbones cut there would give."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medgraft.networks.cuts import WHOLE, pooled
from medgraft.networks.measuring import hooked, noting
from medgraft.networks.units import units_of


def tapped(backbone: nn.Module, inputs: Tensor, places: Sequence[str]) -> dict[str, Tensor]:
    """Pooled features [B, channels] at each place: the name of a cut, or "whole" for what the backbone itself gives.

    The same operations as in `truncate`d backbones with mean pooling: the same numbers, but for rounding.
    """
    if list(places) == [WHOLE]:  # also of a backbone that cannot be cut
        return {WHOLE: backbone(inputs)}
    found: dict[str, Tensor] = {}

    def note(name: str, given: Tensor | Sequence[Tensor]) -> None:
        if name in places:
            found[name] = pooled(backbone, _joined(given), "mean")

    with hooked(noting(backbone, units_of(backbone), note)):
        found[WHOLE] = backbone(inputs)
    return {place: found[place] for place in places}


def _joined(given: Tensor | Sequence[Tensor]) -> Tensor:
    """What a dense layer takes is a list of maps."""
    return given if isinstance(given, Tensor) else torch.cat(list(given), dim=1)
