"""Norms, squeezes, blocks and means over volumes made of those over images, with the same parameters and names."""

from timm.layers.norm_act import BatchNormAct2d
from timm.models.convnext import ConvNeXtBlock
from torch import Tensor, nn


class BatchNormAct(nn.BatchNorm3d):
    """timm's batch norm with an activation after it."""

    drop: nn.Module
    act: nn.Module

    def forward(self, volumes: Tensor) -> Tensor:
        """Normalised over all voxels, dropped out, activated."""
        found: Tensor = self.act(self.drop(super().forward(volumes)))
        return found


class ChannelNorm(nn.LayerNorm):
    """timm's LayerNorm2d: over the channels of every voxel."""

    def forward(self, volumes: Tensor) -> Tensor:
        """Normalised."""
        return super().forward(volumes.movedim(1, -1)).movedim(-1, 1)


class SqueezeExcite(nn.Module):
    """Channels weighed by what their means over the volume tell (arXiv 1709.01507); layers in the order they run."""

    def __init__(self, images: nn.Module) -> None:
        super().__init__()
        self._modules.update(images._modules)

    def forward(self, volumes: Tensor) -> Tensor:
        """Weighed."""
        weights = volumes.mean((2, 3, 4), keepdim=True)
        for layer in self.children():
            weights = layer(weights)
        return volumes * weights


class Block(nn.Module):
    """A block of ConvNeXt (arXiv 2201.03545, figure 4), whose timm class permutes the axes of images."""

    conv_dw: nn.Module
    norm: nn.Module
    mlp: nn.Module
    drop_path: nn.Module
    shortcut: nn.Module

    def __init__(self, images: ConvNeXtBlock) -> None:
        super().__init__()
        self._modules.update(images._modules)
        self.gamma = images.gamma
        self.channels_first = images.use_conv_mlp

    def forward(self, volumes: Tensor) -> Tensor:
        """Depthwise convolution, norm and perceptron at every voxel, scaled, added."""
        found = self.conv_dw(volumes)
        if self.channels_first:
            found = self.mlp(self.norm(found))
        else:
            found = self.mlp(self.norm(found.movedim(1, -1))).movedim(-1, 1)
        if self.gamma is not None:
            found = found * self.gamma.view(-1, 1, 1, 1)
        result: Tensor = self.drop_path(found) + self.shortcut(volumes)
        return result


class GlobalMean(nn.Module):
    """The mean over the volume, [B, C, D, H, W] → [B, C], or [B, C, 1, 1, 1] where timm's pooling does not flatten."""

    def __init__(self, *, flatten: bool) -> None:
        super().__init__()
        self.flatten = flatten

    def forward(self, volumes: Tensor) -> Tensor:
        """Pooled."""
        return volumes.mean((2, 3, 4), keepdim=not self.flatten)


def batch_norm(images: nn.BatchNorm2d) -> nn.BatchNorm3d:
    """The same norm for volumes, with the same parameters and statistics."""
    kind = BatchNormAct if isinstance(images, BatchNormAct2d) else nn.BatchNorm3d
    made = kind(images.num_features, images.eps, images.momentum, images.affine, images.track_running_stats)
    _take_over(made, images)
    return made


def channel_norm(images: nn.LayerNorm) -> ChannelNorm:
    """The same norm for volumes, with the same parameters."""
    made = ChannelNorm(list(images.normalized_shape), images.eps, images.elementwise_affine)
    _take_over(made, images)
    return made


def _take_over(made: nn.Module, images: nn.Module) -> None:
    made._parameters.update(images._parameters)
    made._buffers.update(images._buffers)
    made._modules.update(images._modules)
