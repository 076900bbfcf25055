"""2D networks made 3D: what must hold for every family holds for one of each."""

from typing import Any, cast

import pytest
import timm
import torch
from torch import Tensor, nn

from medgraft.errors import UserError
from medgraft.networks.cuts import cuts
from medgraft.networks.volumetric import How, to_volumes

# Odd sides, so that strides and "same" paddings do not come out even; ConvNeXt wants 32 at least.
FAMILIES = {
    "resnet18": 33,
    "resnet26d": 33,
    "resnext50_32x4d": 33,
    "seresnet18": 33,
    "densenet121": 33,
    "efficientnet_b0": 33,
    "tf_efficientnet_lite0": 33,
    "tf_efficientnetv2_b0": 33,
    "mobilenetv2_100": 33,
    "tf_mobilenetv3_small_minimal_100": 33,
    "mobilenetv3_small_100": 33,
    "convnext_atto": 37,
    "regnetx_004": 33,
    "regnety_002": 33,
}
REFUSED = {
    "vit_tiny_patch16_224": "VisionTransformer",
    "resnetblur18": "BlurPool2d",
    "ecaresnet26t": "EcaModule",
    "convnextv2_atto": "GlobalResponseNorm",
    "repvgg_a0": "ByobNet",
    "mobilenetv4_conv_small": "UniversalInvertedResidual",
}


def images_backbone(architecture: str) -> nn.Module:
    """In evaluation mode; norms and layer scales are not 1 and 0 everywhere, and let the image show in the output."""
    draws = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        backbone = timm.create_model(architecture, num_classes=0)
    for name, parameter in backbone.named_parameters():
        if parameter.ndim == 1 and not name.endswith("bias"):
            nn.init.uniform_(parameter, 0.5, 1.5, generator=draws)
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1
    with torch.no_grad():
        backbone(drawn(4, 3, 64, 64))
    return backbone.eval()


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", FAMILIES)
def test_an_inflated_network_on_equal_slices_gives_the_2d_networks_output(architecture: str) -> None:
    backbone, side = images_backbone(architecture).double(), FAMILIES[architecture]
    slices = drawn(2, 3, side, side).double()
    with torch.no_grad():
        expected = backbone(slices)
        volumes = slices[:, :, None].expand(-1, -1, side + 4, -1, -1)
        found = to_volumes(backbone, "inflated")(volumes)
        other = backbone(volumes + drawn(2, 3, side + 4, side, side))
    apart = float((expected[0] - expected[1]).abs().max())  # what two images differ by
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10 * apart)
    assert not torch.allclose(other, expected, rtol=0, atol=0.1 * apart)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_an_acs_network_keeps_parameters_and_state_dict(architecture: str) -> None:
    backbone, side = images_backbone(architecture), FAMILIES[architecture]
    weights = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    parameters = list(backbone.parameters())
    volumes = to_volumes(backbone, "acs")
    assert volumes is backbone
    assert {name: tensor.shape for name, tensor in volumes.state_dict().items()} == {
        name: tensor.shape for name, tensor in weights.items()
    }
    assert all(torch.equal(tensor, weights[name]) for name, tensor in volumes.state_dict().items())
    assert all(mine is theirs for mine, theirs in zip(volumes.parameters(), parameters, strict=True))
    volumes.load_state_dict(weights)
    with torch.no_grad():
        assert volumes(drawn(2, 3, side, side, side)).shape == (2, cast(Any, volumes).head_hidden_size)
    assert not any(module.training for module in volumes.modules())


@pytest.mark.parametrize("how", ["acs", "inflated"])
@pytest.mark.parametrize("architecture", ["resnet18", "mobilenetv3_small_100", "convnext_atto"])
def test_gradients_reach_all_parameters(architecture: str, how: How) -> None:
    side = 64 if architecture == "convnext_atto" else 33  # at 37, a single voxel is left for 7³ kernels to look at
    backbone = to_volumes(images_backbone(architecture), how)
    backbone(drawn(2, 3, side, side, side)).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_every_plane_of_a_volume_is_looked_at() -> None:
    """Moving content along any axis changes what an ACS network says; turning the volume does, too."""
    backbone = to_volumes(images_backbone("resnet18"), "acs")
    volumes = drawn(1, 3, 33, 33, 33)
    with torch.no_grad():
        plain = backbone(volumes)
        turned = [backbone(volumes.transpose(2, axis)) for axis in (3, 4)]
        mirrored = [backbone(volumes.flip(axis)) for axis in (2, 3, 4)]
    assert all(not torch.allclose(plain, other, atol=1e-3) for other in (*turned, *mirrored))


@pytest.mark.parametrize(("how", "times"), [("acs", 1), ("inflated", 7)])
def test_cost_and_cuts(how: How, times: int) -> None:
    """At 32 px a 7 × 7 stem gives a map of 16: as many slices, each at the cost of an image or 7 times that."""
    flat = cuts(images_backbone("resnet18"), 32)
    deep = cuts(to_volumes(images_backbone("resnet18"), how), 32)
    assert [(p.name, p.block, p.channels, p.reduction) for p in deep] == [
        (p.name, p.block, p.channels, p.reduction) for p in flat
    ]
    assert flat[0].macs == 64 * 3 * 7 * 7 * 16 * 16
    assert deep[0].macs == flat[0].macs * 16 * times
    assert (deep[-1].parameters == flat[-1].parameters) == (how == "acs")


@pytest.mark.parametrize("architecture", REFUSED)
def test_what_cannot_be_converted_is_told_and_left_alone(architecture: str) -> None:
    backbone = timm.create_model(architecture, num_classes=0)
    before = [type(module) for module in backbone.modules()]
    with pytest.raises(
        UserError, match=f"{architecture} cannot be made to take volumes: .*{REFUSED[architecture]}.*; take"
    ):
        to_volumes(backbone, "acs")
    assert [type(module) for module in backbone.modules()] == before


def test_odd_layers_are_refused() -> None:
    for layer, why in (
        (nn.Conv2d(3, 64, (3, 5), bias=False), "no square convolution"),
        (nn.Conv2d(3, 64, 3, padding=1, padding_mode="reflect", bias=False), "padded with zeros"),
        (nn.AvgPool2d(3, 2, 1), "counts its padding"),
        (nn.MaxPool2d((2, 1)), "no square pooling"),
        (nn.AdaptiveAvgPool2d(2), "a fixed size"),
    ):
        backbone = timm.create_model("resnet18", num_classes=0)
        backbone.conv1 = layer
        with pytest.raises(UserError, match=f"'conv1' .*{why}"):
            to_volumes(backbone, "inflated")


@pytest.mark.parametrize("how", ["acs", "inflated"])
def test_twice_is_refused(how: How) -> None:
    backbone = to_volumes(images_backbone("resnet18"), how)
    agains: list[How] = ["acs", "inflated"]
    for again in agains:
        with pytest.raises(UserError, match="resnet18 takes volumes already"):
            to_volumes(backbone, again)
