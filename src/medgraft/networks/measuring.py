"""What a backbone computes at its units, and of what shape; told without numbers, for volumes would take gigabytes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from medgraft.networks.units import STEM, last_of, uncuttable

COPIES = {torch.ops.aten.clone.default, torch.ops.aten._unsafe_view.default}  # they change no number either
Operation = tuple[str, tuple[tuple[int, ...], ...]]  # its name and the shapes it gives


@dataclass(frozen=True)
class Place:
    """Right above a unit (or "stem"): `channels` and `reduction` of the map, `macs` (one image) up to there.

    `run`: the operations up to there, when the units give what they gave before.
    """

    name: str
    channels: int
    reduction: int
    macs: int
    run: Sequence[Operation]


@dataclass(frozen=True)
class Measured:
    """The places in the order in which they run.

    `shadow`: the backbone without numbers, its units giving what they gave before, whatever they are given. So what
    runs between and after them is told at once.
    """

    places: Sequence[Place]
    shadow: Any  # timm's methods are not in nn.Module


def shadow_of(backbone: nn.Module) -> Any:  # noqa: ANN401  (timm's methods are not in nn.Module)
    """A copy on the meta device, in evaluation mode."""
    tensors = [*backbone.parameters(), *backbone.buffers()]
    return deepcopy(backbone, {id(tensor): tensor.detach().to("meta") for tensor in tensors}).eval()


def blank(shadow: nn.Module, image_size: int) -> Tensor:
    """An image, float32 [1, 3, S, S] with S = `image_size`; a volume [1, 3, S, S, S] for backbones that take those."""
    return torch.empty(1, 3, *[image_size] * int(getattr(shadow, "dimensions", 2)), device="meta")


class _Noted(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch says no types there
    """Notes in `run` what is computed while it is on, but for other views and copies of the same numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor there
        self.run: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401  (torch's)
        """Called for every operation."""
        given = func(*args, **(kwargs or {}))
        if not func.is_view and func not in COPIES:
            self.run.append((str(func), tuple(tuple(t.shape) for t in tree_leaves(given) if isinstance(t, Tensor))))
        return given


def operations(shadow: Any, image_size: int) -> tuple[Tensor, Sequence[Operation]]:  # noqa: ANN401  (see shadow_of)
    """What `forward_features` gives of one image, in the backbone's own layout, and what was computed, in order."""
    with _Noted() as noted, torch.no_grad():
        activations = shadow.forward_features(blank(shadow, image_size))
    return activations, tuple(noted.run)


def measure(backbone: nn.Module, units: Sequence[str], image_size: int) -> Measured:
    """What there is right above each of the units, for one image of side `image_size` (pixels or voxels).

    Raises `UserError` where the units are no chain, or the backbone does not take such an image.
    """
    shadow = shadow_of(backbone)
    counter = FlopCounterMode(display=False)
    maps: list[tuple[str, int, int, int]] = []
    given: dict[str, Any] = {}

    def note(name: str, tensors: Any) -> None:  # noqa: ANN401  (a tensor, or the list a dense layer takes)
        parts = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
        if not all(isinstance(part, Tensor) and part.ndim in (3, 4, 5) for part in parts):
            raise uncuttable(backbone, "it has several maps side by side")
        shapes = [_channels_and_side(backbone, part) for part in parts]
        macs = int(counter.get_total_flops()) // 2
        side = shapes[0][1]
        reduction = image_size // side if parts[0].ndim == 3 else _stride(image_size, side)
        maps.append((name, sum(channels for channels, _ in shapes), reduction, macs))

    with hooked([*noting(shadow, units, note), *_keeping(shadow, units, given)]):
        try:
            # Fused attention has no formula in the counter and would count as nothing.
            with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                shadow.forward_features(blank(shadow, image_size))
        except (AssertionError, RuntimeError) as error:
            why = f": {error}" if str(error) else ""
            raise uncuttable(backbone, f"it does not take a side of {image_size}{why}") from error
    if [name for name, *_ in maps] != [STEM, *units]:
        raise uncuttable(backbone, "its layers do not run one after the other")
    for unit in units:
        shadow.get_submodule(unit).forward = partial(_again, given[unit])
    runs: list[Sequence[Operation]] = []

    def run(_: str, tensors: Any) -> None:  # noqa: ANN401  (as in `note`)
        so_far = len(noted.run)
        if isinstance(tensors, list) and len(tensors) > 1:
            torch.cat(tensors, dim=1)  # cut off here, the end of the block joins them
        runs.append(tuple(noted.run))
        del noted.run[so_far:]

    with hooked(noting(shadow, units, run)), _Noted() as noted, torch.no_grad():
        shadow.forward_features(blank(shadow, image_size))
    return Measured([Place(*place, before) for place, before in zip(maps, runs, strict=True)], shadow)


def _again(output: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401  (whatever a unit takes and gives)
    return output


def noting(shadow: Any, units: Sequence[str], note: Callable[[str, Any], None]) -> list[RemovableHandle]:  # noqa: ANN401  (see shadow_of)
    """Let `note` be called with the name and the activations of each place, in the order in which they run."""
    began: list[str] = []

    def before(_: nn.Module, inputs: Any) -> None:  # noqa: ANN401  (as torch calls it)
        if not began:
            began.append(STEM)
            note(STEM, inputs[0])

    def after(name: str) -> Any:  # noqa: ANN401  (a hook)
        def hook(_: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401  (as torch calls it)
            dense = isinstance(inputs[0], list)
            note(name, [*inputs[0], output] if dense else output)

        return hook

    handles = [shadow.get_submodule(units[0]).register_forward_pre_hook(before)]
    return handles + [shadow.get_submodule(last_of(shadow, unit)).register_forward_hook(after(unit)) for unit in units]


def _keeping(shadow: Any, units: Sequence[str], given: dict[str, Any]) -> list[RemovableHandle]:  # noqa: ANN401  (see shadow_of)
    """Let what each unit gives be put into `given`."""

    def keep(unit: str) -> Any:  # noqa: ANN401  (a hook)
        def hook(_: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401  (as torch calls it)
            given[unit] = output

        return hook

    return [shadow.get_submodule(unit).register_forward_hook(keep(unit)) for unit in units]


@contextmanager
def hooked(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    """Take the hooks off at the end."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stride(image_size: int, side: int) -> int:
    """Of maps: a power of two where that gives such a side (halves are rounded up), else the quotient."""
    halvings = next((k for k in range(image_size.bit_length() + 1) if -(-image_size >> k) == side), None)
    return image_size // side if halvings is None else 2**halvings


def channels_last(backbone: nn.Module) -> bool:
    """Whether its maps are [B, H, W, C]."""
    return str(getattr(backbone, "output_fmt", "NCHW")) == "NHWC"


def _channels_and_side(backbone: nn.Module, activations: Tensor) -> tuple[int, int]:
    """Of a map, or of tokens: those of the image are a square."""
    if activations.ndim == 3:
        return activations.shape[2], isqrt(activations.shape[1] - int(getattr(backbone, "num_prefix_tokens", 0)))
    if channels_last(backbone):
        return activations.shape[3], activations.shape[1]
    return activations.shape[1], activations.shape[2]
