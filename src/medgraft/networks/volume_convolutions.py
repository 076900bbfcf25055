"""Convolutions of volumes made of convolutions of images: laid over three planes, or inflated.

Axes are depth, height, width. Beyond its first and last slice a volume goes on as it ends where slices are averaged
(`InflatedConv`): padded with zeros, as height and width are, a volume of equal slices would not give what its slice
gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Margins = tuple[int, int]  # voxels put before and after, along an axis; negative ones are taken away


@dataclass(frozen=True)
class Geometry:
    """What a square convolution is along each of its axes; `padding` None is TensorFlow's "same"."""

    kernel: int
    stride: int
    dilation: int
    groups: int
    padding: int | None

    @property
    def reach(self) -> int:
        """From the first to the last place that the kernel sees."""
        return self.dilation * (self.kernel - 1)

    def margins(self, length: int) -> Margins:
        """What an axis of that length is padded by; "same" gives length / stride places, rounded up."""
        if self.padding is not None:
            return self.padding, self.padding
        missing = max((ceil(length / self.stride) - 1) * self.stride + self.reach + 1 - length, 0)
        return missing // 2, missing - missing // 2


@dataclass(frozen=True)
class Part:
    """Output channels whose kernels lie in one plane, `normal` to an axis (0 axial, 1 coronal, 2 sagittal)."""

    normal: int
    outputs: slice
    inputs: slice
    groups: int


class ACSConv(nn.Module):
    """A 2D convolution laid over the three planes of a volume, [B, in, D, H, W] → [B, out, D', H', W'].

    Yang et al., "Reinventing 2D Convolutions for 3D Images" (arXiv 1911.10477, section 3.2): the first third of the
    output channels looks at axial, the second at coronal, the last at sagittal planes; what a division by three leaves
    goes to the first. The weight stays [out, in / groups, k, k]. Groups are divided like channels, each with its own
    inputs; up to two are too few for that, and are divided each by itself. The plane is that through the middle of
    the k × k × k window (k // 2 where k is even), so that strides and padding do to a volume what they do to an image.
    """

    def __init__(self, conv: nn.Conv2d, geometry: Geometry) -> None:
        super().__init__()
        self.geometry, self.weight = geometry, conv.weight
        self.bias = cast(nn.Parameter | None, conv.bias)
        self.parts = _parts(conv, geometry)

    def forward(self, volumes: Tensor) -> Tensor:
        """Every part by itself, side by side."""
        middle = self.geometry.dilation * (self.geometry.kernel // 2)
        found = []
        for part in self.parts:
            margins = [self.geometry.margins(length) for length in volumes.shape[2:]]
            before, after = margins[part.normal]
            margins[part.normal] = before - middle, after - (self.geometry.reach - middle)
            weight = self.weight[part.outputs].unsqueeze(2 + part.normal)
            bias = None if self.bias is None else self.bias[part.outputs]
            found.append(_convolved(volumes[:, part.inputs], weight, bias, margins, self.geometry, part.groups))
        return torch.cat(found, dim=1)


class InflatedConv(nn.Module):
    """A 2D convolution repeated along depth and divided by it, [B, in, D, H, W] → [B, out, D', H', W'].

    I3D (Carreira & Zisserman, arXiv 1705.07750, section 2.4): equal slices give what one of them gives to the 2D
    convolution. Theirs holds inside only; here it holds up to the ends, see the top of this file.
    """

    def __init__(self, conv: nn.Conv2d, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        repeated = conv.weight.detach()[:, :, None].expand(-1, -1, geometry.kernel, -1, -1) / geometry.kernel
        self.weight = nn.Parameter(repeated, requires_grad=conv.weight.requires_grad)
        self.bias = cast(nn.Parameter | None, conv.bias)

    def forward(self, volumes: Tensor) -> Tensor:
        """The volume, extended along depth, convolved."""
        depth, *rest = (self.geometry.margins(length) for length in volumes.shape[2:])
        extended = _extended(volumes, depth)
        return _convolved(extended, self.weight, self.bias, [(0, 0), *rest], self.geometry, self.geometry.groups)


def _parts(conv: nn.Conv2d, geometry: Geometry) -> list[Part]:
    taken, given = conv.in_channels // geometry.groups, conv.out_channels // geometry.groups
    if geometry.kernel == 1:  # a point lies in all planes
        return [Part(0, slice(0, conv.out_channels), slice(0, conv.in_channels), geometry.groups)]
    if geometry.groups > 2:
        return [
            Part(normal, slice(start * given, end * given), slice(start * taken, end * taken), end - start)
            for normal, start, end in _thirds(geometry.groups)
        ]
    return [
        Part(normal, slice(group * given + start, group * given + end), slice(group * taken, (group + 1) * taken), 1)
        for group in range(geometry.groups)
        for normal, start, end in _thirds(given)
    ]


def _thirds(count: int) -> list[tuple[int, int, int]]:
    """(axis, start, end) of three parts of `count` things, none of them empty."""
    ends = [0, ceil(count / 3), count - count // 3, count]
    return [(axis, ends[axis], ends[axis + 1]) for axis in range(3) if ends[axis] < ends[axis + 1]]


def _extended(volumes: Tensor, margins: Margins) -> Tensor:
    """The first and the last slice repeated (torch's own replication has no deterministic gradient on CUDA)."""
    if margins == (0, 0):
        return volumes
    first, last = volumes[:, :, :1], volumes[:, :, -1:]
    before, after = margins
    return torch.cat([first.expand(-1, -1, before, -1, -1), volumes, last.expand(-1, -1, after, -1, -1)], dim=2)


def _convolved(
    volumes: Tensor, weight: Tensor, bias: Tensor | None, margins: Sequence[Margins], geometry: Geometry, groups: int
) -> Tensor:
    if any(before != after or before < 0 for before, after in margins):
        volumes = functional.pad(volumes, [side for axis in reversed(margins) for side in axis])
        margins = [(0, 0)] * 3
    padding = [before for before, _ in margins]
    return functional.conv3d(volumes, weight, bias, geometry.stride, padding, geometry.dilation, groups)
