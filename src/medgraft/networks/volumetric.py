"""timm's convolutional networks made to take volumes, in place: the weights learned on images are where they start."""

from typing import Any, Literal, cast

from timm.layers.activations import GELU, Sigmoid
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.layers.classifier import ClassifierHead, NormMlpClassifierHead
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.conv_bn_act import ConvNormAct
from timm.layers.drop import DropPath
from timm.layers.mlp import Mlp
from timm.layers.norm import LayerNorm, LayerNorm2d
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.squeeze_excite import SEModule
from timm.models import _efficientnet_blocks as efficient
from timm.models import convnext, densenet, regnet, resnet
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3
from torch import nn

from medgraft.errors import UserError
from medgraft.networks.volume_convolutions import ACSConv, Geometry, InflatedConv
from medgraft.networks.volume_layers import Block, GlobalMean, SqueezeExcite, batch_norm, channel_norm

How = Literal["acs", "inflated"]

SQUEEZES = (SEModule, efficient.SqueezeExcite)
KNOWN = {
    *(nn.Conv2d, Conv2dSame, nn.BatchNorm2d, BatchNormAct2d, LayerNorm2d, convnext.ConvNeXtBlock, *SQUEEZES),
    *(nn.MaxPool2d, nn.AvgPool2d, SelectAdaptivePool2d, nn.AdaptiveAvgPool2d),
    # These stay as they are: their own computation was read, and names no axis but that of channels.
    *(resnet.ResNet, resnet.BasicBlock, resnet.Bottleneck),
    *(densenet.DenseNet, densenet.DenseBlock, densenet.DenseLayer, densenet.DenseTransition),
    *(EfficientNet, MobileNetV3, efficient.ConvBnAct, efficient.DepthwiseSeparableConv),
    *(efficient.InvertedResidual, efficient.EdgeResidual),
    *(convnext.ConvNeXt, convnext.ConvNeXtStage, convnext.Downsample, NormMlpClassifierHead, Mlp, LayerNorm, nn.Linear),
    *(regnet.RegNet, regnet.RegStage, regnet.Bottleneck, ClassifierHead, ConvNormAct),
    *(nn.Sequential, nn.Identity, nn.Flatten, nn.Dropout, DropPath),
    *(nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, GELU, Sigmoid),
}


def to_volumes(backbone: nn.Module, how: How) -> nn.Module:
    """The backbone, changed so that it takes float32 [B, 3, D, H, W] and still gives [B, features].

    `acs`: convolutions are laid over the axial, coronal and sagittal planes (Yang et al., arXiv 1911.10477); their
    parameters and the state dict stay as they are. `inflated`: they are repeated along depth and divided by it (I3D,
    arXiv 1705.07750), so that in evaluation mode a volume whose slices are all equal gives what the 2D backbone gives
    for the slice. Norms, poolings and squeeze-and-excitations reach over depth as they do over height and width.

    `forward_features`, `head_hidden_size` and `group_matcher` stay timm's; `dimensions` is 3. Raises `UserError`,
    before anything is changed, for what takes volumes already and for what is not known to be convertible.
    """
    config = getattr(backbone, "pretrained_cfg", None) or {}
    architecture = config.get("architecture") or type(backbone).__name__
    if getattr(backbone, "dimensions", 2) == 3:
        raise UserError(f"{architecture} takes volumes already; convert a network for images, and only once")
    for path, module in backbone.named_modules():
        hindrance = _hindrance(module)
        if hindrance:
            where = f"its '{path}' ({type(module).__name__})" if path else f"a {type(module).__name__}"
            raise UserError(
                f"{architecture} cannot be made to take volumes: {where} {hindrance}; take a ResNet, DenseNet, "
                "EfficientNet, MobileNet, ConvNeXt or RegNet (resnet18, densenet121, mobilenetv3_small_100), or a "
                "network made for volumes (monai_resnet18)"
            )
    _convert(backbone, how)
    cast(Any, backbone).dimensions = 3
    return backbone


def _hindrance(module: nn.Module) -> str | None:
    """Why a layer cannot be converted, or None."""
    if type(module) not in KNOWN:
        return "is not known to work in three dimensions"
    if isinstance(module, nn.Conv2d) and (module.padding_mode != "zeros" or not _is_square(module)):
        return "is no square convolution padded with zeros"
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and not _is_square(module):
        return "is no square pooling"
    if isinstance(module, nn.AvgPool2d) and _side(module.padding) and module.count_include_pad:
        return "counts its padding"  # equal slices would not give what one of them gives
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
        return "pools to a fixed size"
    if isinstance(module, SelectAdaptivePool2d) and module.pool_type != "avg":
        return "does not pool by the mean"
    if isinstance(module, SEModule) and module.add_maxpool:
        return "squeezes by a maximum"
    return None


def _convert(module: nn.Module, how: How) -> None:
    for name, child in list(module.named_children()):
        made = _converted(child, how)
        if made is not child:
            module.add_module(name, made.train(child.training))
        _convert(made, how)


def _converted(layer: nn.Module, how: How) -> nn.Module:
    """The layer for volumes, or the layer itself; the layers inside are not looked at."""
    if isinstance(layer, nn.Conv2d):
        return ACSConv(layer, _geometry(layer)) if how == "acs" else InflatedConv(layer, _geometry(layer))
    if isinstance(layer, nn.BatchNorm2d):
        return batch_norm(layer)
    if isinstance(layer, LayerNorm2d):
        return channel_norm(layer)
    if isinstance(layer, SQUEEZES):
        return SqueezeExcite(layer)
    if isinstance(layer, convnext.ConvNeXtBlock):
        return Block(layer)
    if isinstance(layer, SelectAdaptivePool2d | nn.AdaptiveAvgPool2d):
        return GlobalMean(flatten=isinstance(getattr(layer, "flatten", None), nn.Flatten))
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        size, stride, padding = map(_side, (layer.kernel_size, layer.stride, layer.padding))
        if isinstance(layer, nn.MaxPool2d):
            return nn.MaxPool3d(size, stride, padding, _side(layer.dilation), ceil_mode=layer.ceil_mode)
        return nn.AvgPool3d(size, stride, padding, layer.ceil_mode, layer.count_include_pad)
    return layer


def _geometry(conv: nn.Conv2d) -> Geometry:
    kernel, stride, dilation = map(_side, (conv.kernel_size, conv.stride, conv.dilation))
    padding = None if isinstance(conv, Conv2dSame) else _side(cast(tuple[int, ...], conv.padding))
    return Geometry(kernel, stride, dilation, conv.groups, padding)


def _is_square(layer: nn.Module) -> bool:
    values = [getattr(layer, name, 0) for name in ("kernel_size", "stride", "padding", "dilation")]
    return all(isinstance(value, int) or (isinstance(value, tuple) and len(set(value)) == 1) for value in values)


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
