"""The units of a backbone, from which cuts are counted: the pieces that timm's own `group_matcher` names.

A unit is a bottleneck, a dense layer, an inverted residual or a transformer block; a block is a stage of them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from medgraft.errors import UserError

STEM = "stem"
LAST = (99999,)  # timm's mark of what belongs to the group before: at the end a norm, in the middle a transition
FIRST = (0,)  # timm's mark of what belongs to the group after: the reduction that a stage begins with


def _patterns(backbone: nn.Module, coarse: bool) -> tuple[str, list[tuple[str, Any]]]:
    """timm's regular expressions: of the stem, and of what follows it with its mark."""
    matcher = getattr(backbone, "group_matcher", None)
    try:
        found = matcher(coarse=coarse) if matcher else None
    except AssertionError:  # "coarse grouping is not implemented"
        found = None
    if not isinstance(found, dict):
        raise uncuttable(backbone, "timm does not say what its layers are")
    rest: list[tuple[str, Any]] = []
    for key, value in found.items():
        if key != STEM:
            rest += [(value, None)] if isinstance(value, str) else list(value)
    return str(found.get(STEM, "$^")), rest


def _places(backbone: nn.Module) -> Iterator[tuple[str, str, Any]]:
    """(parameter, the piece it belongs to, timm's mark) in order; piece "stem", or "" for what follows the pieces."""
    stem, rest = _patterns(backbone, coarse=False)
    for name, _ in backbone.named_parameters():
        if re.match(stem, name):
            yield name, STEM, None
            continue
        matches = ((re.match(pattern, name), mark) for pattern, mark in rest)
        match, mark = next(((m, mark) for m, mark in matches if m), (None, None))
        yield name, match[0] if match else "", mark


def units_of(backbone: nn.Module) -> list[str]:
    """Paths of its units, lowest first; raises `UserError` when timm does not say what its layers are."""
    pieces = list(dict.fromkeys((piece, mark) for _, piece, mark in _places(backbone) if piece not in ("", STEM)))
    while pieces and pieces[-1][1] == LAST:
        pieces.pop()
    units = [piece for piece, mark in pieces if mark != FIRST]
    modules = {name for name, _ in backbone.named_modules()}
    if not modules.issuperset(units):
        raise uncuttable(backbone, "timm counts bare parameters among its layers")
    following = [*units[1:], None]
    return [unit for unit, above in zip(units, following, strict=True) if not _normalises(backbone, above)]


def _normalises(backbone: nn.Module, unit: str | None) -> bool:
    """Whether a unit is nothing but the norm of the layer before it, which then is none by itself (VGG)."""
    return unit is not None and isinstance(backbone.get_submodule(unit), nn.modules.batchnorm._BatchNorm)


def last_of(backbone: nn.Module, unit: str) -> str:
    """What runs last of a unit: of a bare layer in a row, the activation or pooling that follows it."""
    parent, _, own = unit.rpartition(".")
    row = backbone.get_submodule(parent)
    if list(backbone.get_submodule(unit).children()) or not isinstance(row, nn.Sequential):
        return unit
    names = list(row._modules)
    last = own
    for name in names[names.index(own) + 1 :]:
        if any(True for _ in row.get_submodule(name).parameters()):
            break
        last = name
    return f"{parent}.{last}"


def blocks_of(backbone: nn.Module, units: Sequence[str]) -> list[int]:
    """The stage of each unit, from 1: timm's coarse groups."""
    _, rest = _patterns(backbone, coarse=True)
    found = []
    for unit in units:
        match = next(m for pattern, _ in rest if (m := re.match(pattern, f"{unit}.")))
        found.append(match.groups())
    order = {block: number for number, block in enumerate(dict.fromkeys(found), start=1)}
    return [order[block] for block in found]


def owners(backbone: nn.Module, units: Sequence[str]) -> list[tuple[str, str]]:
    """(parameter, its unit) of every one: what a stage begins with is of its first unit; "" is above them all."""
    found: list[tuple[str, str]] = []
    coming = ""
    for parameter, piece, _ in reversed(list(_places(backbone))):
        if piece in units:
            coming = piece
        found.append((parameter, piece if piece in (STEM, *units) else coming if piece else ""))
    return found[::-1]


def parameters_up_to(backbone: nn.Module, cut: str) -> set[str]:
    """Names of the parameters at or below the cut, a unit or "stem"."""
    units = units_of(backbone)
    kept = [STEM, *units[: units.index(cut) + 1]] if cut != STEM else [STEM]
    return {parameter for parameter, unit in owners(backbone, units) if unit in kept}


def uncuttable(backbone: nn.Module, why: str) -> UserError:
    """Why there are no cuts, and what to do."""
    return UserError(
        f"{type(backbone).__name__} cannot be cut: {why}; take another architecture for this strategy, or fine-tune "
        "it whole"
    )
