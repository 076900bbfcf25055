"""What a whole backbone says at its cuts, seen in one pass: the features that backbones cut there would give."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medgraft.networks.cuts import WHOLE, pooled
from medgraft.networks.measuring import hooked
from medgraft.networks.units import STEM, last_of, units_of


def tapped(backbone: nn.Module, inputs: Tensor, places: Sequence[str]) -> dict[str, Tensor]:
    """Pooled features [B, channels] at each place: the name of a cut, or "whole" for what the backbone itself gives.

    The same operations as in `truncate`d backbones with mean pooling: the same numbers, but for rounding.
    """
    if list(places) == [WHOLE]:  # also of a backbone that cannot be cut
        return {WHOLE: backbone(inputs)}
    units = units_of(backbone)
    found: dict[str, Tensor] = {}

    def stem(_: nn.Module, given: Any) -> None:  # noqa: ANN401  (as torch calls it)
        found.setdefault(STEM, pooled(backbone, _joined(given[0]), "mean"))

    def after(name: str) -> Any:  # noqa: ANN401  (a hook)
        def hook(_: nn.Module, given: Any, output: Tensor) -> None:  # noqa: ANN401  (as torch calls it)
            activations = _joined([*given[0], output]) if isinstance(given[0], list) else output
            found[name] = pooled(backbone, activations, "mean")

        return hook

    handles = [backbone.get_submodule(units[0]).register_forward_pre_hook(stem)] if STEM in places else []
    wanted = [unit for unit in units if unit in places]
    handles += [backbone.get_submodule(last_of(backbone, unit)).register_forward_hook(after(unit)) for unit in wanted]
    with hooked(handles):
        whole = backbone(inputs)
    found[WHOLE] = whole
    return {place: found[place] for place in places}


def _joined(given: Tensor | Sequence[Tensor]) -> Tensor:
    """What a dense layer takes is a list of maps."""
    return given if isinstance(given, Tensor) else torch.cat(list(given), dim=1)
