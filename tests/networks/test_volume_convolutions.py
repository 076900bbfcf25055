"""Convolutions of volumes are what their papers say, spelled out by plain 3D convolutions."""

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional

from medgraft.networks.volume_convolutions import ACSConv, Geometry, InflatedConv


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def conv(
    taken: int, given: int, kernel: int, stride: int, padding: int, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    made = nn.Conv2d(taken, given, kernel, stride, padding, dilation, groups)
    made.weight = nn.Parameter(drawn(*made.weight.shape))
    made.bias = nn.Parameter(drawn(given))
    return made


def geometry(images: nn.Conv2d) -> Geometry:
    padding = None if isinstance(images, Conv2dSame) else int(images.padding[0])
    return Geometry(images.kernel_size[0], images.stride[0], images.dilation[0], images.groups, padding)


def test_acs_is_three_convolutions_side_by_side() -> None:
    """arXiv 1911.10477, section 3.2: axial, coronal and sagittal kernels, each flat along its normal."""
    images, volumes = conv(5, 7, kernel=3, stride=2, padding=1), drawn(2, 5, 9, 8, 7)
    weight, bias = images.weight, images.bias
    axial = functional.conv3d(volumes, weight[:3, :, None, :, :], None, 2, (0, 1, 1))
    coronal = functional.conv3d(volumes, weight[3:5, :, :, None, :], None, 2, (1, 0, 1))
    sagittal = functional.conv3d(volumes, weight[5:, :, :, :, None], None, 2, (1, 1, 0))
    assert bias is not None
    expected = torch.cat([axial, coronal, sagittal], 1) + bias.view(-1, 1, 1, 1)
    torch.testing.assert_close(ACSConv(images, geometry(images))(volumes), expected)


def test_depthwise_channels_are_divided_with_their_inputs() -> None:
    images, volumes = conv(8, 8, kernel=5, stride=1, padding=2, groups=8), drawn(1, 8, 6, 7, 8)
    found, bias = ACSConv(images, geometry(images))(volumes), images.bias
    assert bias is not None
    for channel in range(8):
        normal = 0 if channel < 3 else 1 if channel < 6 else 2
        padding = [0 if axis == normal else 2 for axis in range(3)]
        kernel = images.weight[channel : channel + 1].unsqueeze(2 + normal)
        alone = functional.conv3d(volumes[:, channel : channel + 1], kernel, bias[channel : channel + 1], 1, padding)
        torch.testing.assert_close(found[:, channel : channel + 1], alone)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 12])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(3, 2, 1, 1), (2, 2, 0, 1), (4, 4, 0, 1), (3, 1, 2, 2)]
)
def test_acs_is_a_convolution_whose_kernels_are_zero_off_one_plane(
    kernel: int, stride: int, padding: int, dilation: int, groups: int
) -> None:
    images, volumes = conv(12, 24, kernel, stride, padding, groups, dilation), drawn(1, 12, 9, 12, 11)
    dense = torch.zeros(24, 12 // groups, kernel, kernel, kernel)
    each = 24 // groups
    for channel in range(24):
        group, place = divmod(channel, each)
        normal = thirds(groups)[group] if groups > 2 else thirds(each)[place]
        dense[channel].select(1 + normal, kernel // 2).copy_(images.weight[channel].detach())
    expected = functional.conv3d(volumes, dense, images.bias, stride, padding, dilation, groups)
    torch.testing.assert_close(ACSConv(images, geometry(images))(volumes), expected, rtol=1e-4, atol=1e-4)


def thirds(count: int) -> list[int]:
    """The plane of each: the first third, rounded up, is axial, the last, rounded down, sagittal."""
    first, last = -(-count // 3), count // 3
    return [0] * first + [1] * (count - first - last) + [2] * last


@pytest.mark.parametrize("side", [7, 8])
def test_tensorflows_padding_reaches_depth(side: int) -> None:
    images = Conv2dSame(3, 6, 3, stride=2)
    volumes = drawn(1, 3, side, side, side)
    before, after = (1, 1) if side == 7 else (0, 1)
    dense = torch.zeros(6, 3, 3, 3, 3)
    for channel in range(6):
        dense[channel].select(1 + channel // 2, 1).copy_(images.weight[channel].detach())
    expected = functional.conv3d(functional.pad(volumes, [before, after] * 3), dense, images.bias, 2)
    torch.testing.assert_close(ACSConv(images, geometry(images))(volumes), expected)
    slices = volumes[:, :, :1].expand(-1, -1, side, -1, -1)
    inflated = InflatedConv(images, geometry(images))(slices)
    assert inflated.shape == expected.shape
    torch.testing.assert_close(inflated, images(volumes[:, :, 0])[:, :, None].expand_as(inflated))


def test_points_lie_in_all_planes() -> None:
    images, volumes = conv(4, 6, kernel=1, stride=2, padding=0, groups=2), drawn(1, 4, 5, 6, 7)
    expected = functional.conv3d(volumes, images.weight[..., None], images.bias, 2, groups=2)
    torch.testing.assert_close(ACSConv(images, geometry(images))(volumes), expected)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (7, 2, 3), (2, 2, 0), (1, 1, 0)])
def test_an_inflated_convolution_of_equal_slices_gives_what_the_slice_gives(
    kernel: int, stride: int, padding: int
) -> None:
    images, slices = conv(4, 6, kernel, stride, padding, groups=2), drawn(2, 4, 12, 10)
    inflated = InflatedConv(images, geometry(images))
    assert inflated.weight.shape == (6, 2, kernel, kernel, kernel)
    found = inflated(slices[:, :, None].expand(-1, -1, 9, -1, -1))
    torch.testing.assert_close(found, images(slices)[:, :, None].expand_as(found), rtol=1e-4, atol=1e-5)


def test_an_inflated_convolution_is_one_of_a_volume_that_goes_on_as_it_ends() -> None:
    images, volumes = conv(2, 3, kernel=3, stride=1, padding=1), drawn(1, 2, 5, 6, 6)
    extended = functional.pad(volumes, (0, 0, 0, 0, 1, 1), mode="replicate")
    weight = torch.stack([images.weight] * 3, dim=2) / 3
    expected = functional.conv3d(extended, weight, images.bias, padding=(0, 1, 1))
    torch.testing.assert_close(InflatedConv(images, geometry(images))(volumes), expected)
