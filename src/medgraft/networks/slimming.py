"""TransFusion hybrids: a backbone keeps what lies below a cut; what lies above starts anew with half the channels.

Raghu et al. 2019 (arXiv 1902.07208, section 5); TruncatedTL (arXiv 2106.05152) compares itself with it. Layers are
resized where they stand, so that names, strides and activations stay timm's.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.layers.norm_act import BatchNormAct2d
from timm.models.densenet import DenseBlock, DenseLayer, DenseNet, DenseTransition
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import nn

from medgraft.errors import UserError
from medgraft.networks.cuts import cuts, find_cut
from medgraft.networks.units import STEM, units_of
from medgraft.seeds import derive

# Whatever else is in a network (attention, blurs, other norms) may depend on the channels in a way not foreseen here.
KNOWN = {
    *(ResNet, BasicBlock, Bottleneck, DenseNet, DenseBlock, DenseLayer, DenseTransition),
    *(nn.Sequential, nn.Conv2d, nn.BatchNorm2d, BatchNormAct2d, nn.ReLU, nn.Identity, nn.Dropout),
    *(nn.MaxPool2d, nn.AvgPool2d, SelectAdaptivePool2d, nn.AdaptiveAvgPool2d, nn.Flatten),
}


def slim(backbone: nn.Module, cut: str, image_size: int, seed: int) -> nn.Module:
    """The backbone with half the channels above the cut, float32 [B, 3, H, W] → [B, features]; it is changed itself.

    `cut` is a name as `cuts` gives it, and the names stay what they were. ResNets halve all widths of their blocks,
    and project where the first one leaves the shortcut's width; DenseNets halve the growth of their dense layers, and
    the transitions and the last norm follow. `head_hidden_size` and `num_features` are the new width (`feature_info`
    stays that of the whole network).

    Weights above the cut are drawn on the CPU from `seed` alone: convolutions Kaiming-normal (fan out, ReLU), batch
    norms 1 and 0. The last norm of a residual branch is 1, too, not 0 as timm's: a new layer learns from the first
    step. Raises `UserError` when the backbone cannot be slimmed, there is no such cut, or nothing lies above it.
    """
    if not _is_known(backbone):
        config = getattr(backbone, "pretrained_cfg", None) or {}
        raise _unslimmable(config.get("architecture", type(backbone).__name__))
    places = cuts(backbone, image_size)
    place = find_cut(places, cut)
    units = [STEM, *units_of(backbone)]
    above = units[units.index(cut) + 1 :]
    if not above:
        raise UserError(
            f"nothing above the cut '{cut}' could be slimmed: it is the last one; take a lower one (up to "
            f"{places[-2].name}), or the strategy full"
        )
    generator = torch.Generator().manual_seed(derive("slim", seed))  # other draws than a backbone's from the same seed
    width = place.channels
    for unit in above:
        width = _slim_unit(backbone.get_submodule(unit), width, generator)
    if isinstance(backbone, DenseNet):
        _renew_norm(cast(nn.BatchNorm2d, backbone.features.norm5), width)
    timms = cast(Any, backbone)
    timms.num_features = width
    timms.reset_classifier(0)  # takes over the new width; there still is no classifier
    return backbone.train(backbone.training)


def _is_known(backbone: nn.Module) -> bool:
    return isinstance(backbone, ResNet | DenseNet) and {type(module) for module in backbone.modules()} <= KNOWN


def _unslimmable(architecture: str) -> UserError:
    return UserError(
        f"{architecture} cannot be slimmed: only ResNets (wide ones and ResNeXts, too) and DenseNets can, and those "
        "only without attention or squeeze-and-excitation, blur pooling and other norms than batch norm; take such "
        "an architecture (resnet50, densenet121), or the strategy full or truncated with this one"
    )


def _slim_unit(unit: nn.Module, width: int, generator: torch.Generator) -> int:
    """Halve a unit that now takes `width` channels; the channels there are after it."""
    if isinstance(unit, DenseLayer):
        return width + _halve(unit.children(), width, generator)
    if isinstance(unit, DenseTransition):
        # It compresses by half whatever it takes (DenseNet-BC, arXiv 1608.06993, section 3: theta = 0.5).
        _renew_norm(cast(nn.BatchNorm2d, unit.norm), width)
        return _renew_convolution(cast(nn.Conv2d, unit.conv), width, width // 2, generator)
    assert isinstance(unit, BasicBlock | Bottleneck)
    given = _halve((layer for name, layer in unit.named_children() if name != "downsample"), width, generator)
    if unit.downsample is not None:
        _halve(unit.downsample.children(), width, generator)
    elif width != given:
        # On "meta", since a convolution's own draw would move the global state.
        convolution = nn.Conv2d(width, given, kernel_size=1, bias=False, device="meta")
        _renew_convolution(convolution, width, given, generator)
        unit.downsample = nn.Sequential(convolution, nn.BatchNorm2d(given))
    return given


def _halve(layers: Iterable[nn.Module], width: int, generator: torch.Generator) -> int:
    """Halve the convolutions of a row that now takes `width` channels, norms follow; the channels it gives."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            width = _renew_convolution(layer, width, layer.out_channels // 2, generator)
        elif isinstance(layer, nn.BatchNorm2d):
            _renew_norm(layer, width)
    return width


def _renew_convolution(layer: nn.Conv2d, taken: int, given: int, generator: torch.Generator) -> int:
    """Give it other channels and new weights; as many groups as before, of fewer channels each (ResNeXt)."""
    weight = torch.empty(given, taken // layer.groups, *layer.kernel_size)
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
    layer.in_channels, layer.out_channels, layer.weight = taken, given, nn.Parameter(weight)
    return given


def _renew_norm(layer: nn.BatchNorm2d, width: int) -> None:
    layer.num_features = width
    layer.weight, layer.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
    layer.running_mean, layer.running_var = torch.zeros(width), torch.ones(width)
    layer.num_batches_tracked = torch.tensor(0)
