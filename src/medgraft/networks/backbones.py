"""Whole backbones, without classifier, and with weights that we resolve ourselves.

Those for images come from timm; those for volumes are made of them, or are MONAI's. timm's `pretrained=True` is never
used: offline it costs most of a minute of retries, and it hides where weights come from.
"""

import re
from typing import Any, Literal, cast

import timm
import torch
from timm.layers.grn import GlobalResponseNorm
from torch import nn

from medgraft.catalog import nearest
from medgraft.errors import UserError
from medgraft.networks.native import create_native, native_architectures
from medgraft.networks.volumetric import to_volumes

Weights = dict[str, torch.Tensor]
GAIN, NEXT_TO_NOTHING = re.compile(r"(^|[._])(weight|gain|scale|gamma\w*)$"), 1e-3
Volumes = Literal["acs", "inflated", "native"]  # how a backbone came to take volumes


def check_architecture(architecture: str, volumes: Volumes | None = None) -> None:
    """Raise `UserError` with the nearest spelling when there is no such architecture (timm's may carry a `.tag`)."""
    native = native_architectures()
    if (architecture in native) != (volumes == "native"):
        raise UserError(
            f"'{architecture}' takes volumes by itself: set `volumes: native` (`--volumes native`)"
            if architecture in native
            else f"'{architecture}' takes images: set `volumes: acs`, or take one of {', '.join(native)}"
        )
    if volumes == "native":
        return
    base = architecture.split(".", maxsplit=1)[0]
    if not timm.is_model(base):
        raise UserError(
            f"unknown architecture '{architecture}'{nearest(base, timm.list_models())}; "
            "any name of timm.list_models() is allowed"
        )
    if architecture != base and architecture not in timm.list_pretrained(f"{base}.*"):
        tags = ", ".join(timm.list_pretrained(f"{base}.*")) or "none"
        raise UserError(f"unknown weights tag in '{architecture}'; timm's for {base}: {tags}")


def create_backbone(architecture: str, image_size: int, seed: int = 0, volumes: Volumes | None = None) -> nn.Module:
    """A backbone without classifier, with random weights drawn from `seed` alone.

    Its output is [B, features] pooled features, its input float32 [B, 3, S, S] with S = image_size, or [B, 3, S, S, S]
    with `volumes`. Transformers take `image_size` for their position embedding, others adapt by themselves.
    """
    check_architecture(architecture, volumes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if volumes == "native":
            return create_native(architecture)
        arguments: dict[str, Any] = {"img_size": image_size} if _takes_image_size(architecture) else {}
        backbone = timm.create_model(architecture, pretrained=False, num_classes=0, **arguments)
        return backbone if volumes is None else to_volumes(backbone, volumes)


@torch.no_grad()
def enliven(backbone: nn.Module) -> nn.Module:
    """The backbone, changed, with every residual branch at work: a gain that starts at next to nothing is set to 1.

    To train better from scratch, timm zeroes a branch's last norm (Goyal et al., arXiv 1706.02677, section 5.1) or
    scales the branch by nothing (SkipInit, arXiv 2002.10444) or 1e-6 (LayerScale, arXiv 2103.17239, section 2). Without
    training, all features would be those of the shortcuts. A response norm (arXiv 2301.00808) closes no branch.
    """
    for path, module in backbone.named_modules():
        if isinstance(module, GlobalResponseNorm):
            continue
        for name, parameter in module.named_parameters(path, recurse=False):
            one_a_channel = parameter.numel() == max(parameter.shape, default=1)
            if one_a_channel and GAIN.search(name) and bool((parameter.abs() <= NEXT_TO_NOTHING).all()):
                parameter.fill_(1.0)
    return backbone


def feature_count(backbone: nn.Module) -> int:
    """How many pooled features the backbone gives."""
    return int(cast(int, backbone.head_hidden_size))


def load_backbone(architecture: str, image_size: int, weights: Weights, volumes: Volumes | None = None) -> nn.Module:
    """A backbone with exactly these weights; raises `UserError` naming tensors that miss or don't fit."""
    backbone = create_backbone(architecture, image_size, volumes=volumes)
    expected = backbone.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    surplus = sorted(weights.keys() - expected.keys())
    shapes = sorted(k for k in expected.keys() & weights.keys() if expected[k].shape != weights[k].shape)
    if missing or surplus or shapes:
        raise UserError(
            f"the weights are not those of {architecture} at {image_size} px: {_some('missing', missing)}, "
            f"{_some('unknown', surplus)}, {_some('of another shape', shapes)}; "
            "name the architecture the weights were made for"
        )
    backbone.load_state_dict(weights)
    return backbone


def _some(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} {what}" + (f" ({shown})" if names else "")


def _takes_image_size(architecture: str) -> bool:
    config = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    return bool(config and config.fixed_input_size)
