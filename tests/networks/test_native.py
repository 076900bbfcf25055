"""MONAI's networks: golden sizes, names, and what a backbone must be able to do."""

import pytest
import torch

from medgraft.errors import UserError
from medgraft.networks.cuts import cuts
from medgraft.networks.native import Native, create_native, native_architectures


def made(architecture: str) -> Native:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = create_native(architecture)
    assert isinstance(backbone, Native)
    return backbone


def basic(blocks: list[int]) -> int:
    """Parameters of a ResNet of basic blocks with 3³ kernels throughout, without biases; norms have two a channel."""
    total, width = 27 * 3 * 64 + 2 * 64, 64
    for stage, count in enumerate(blocks):
        wide = 64 * 2**stage
        for block in range(count):
            taken = width if block == 0 else wide
            total += 27 * (taken * wide + wide * wide) + 4 * wide
            total += taken * wide + 2 * wide if taken != wide else 0
        width = wide
    return total


GOLDEN = {
    "monai_resnet10": (basic([1, 1, 1, 1]), 512),
    "monai_resnet18": (33_143_232, 512),
    "monai_resnet34": (63_452_864, 512),
    "monai_resnet50": (46_138_304, 2048),
    "monai_densenet121": (11_286_528, 1024),
}


def test_golden_numbers() -> None:
    assert native_architectures() == sorted(GOLDEN)
    assert basic([2, 2, 2, 2]) == GOLDEN["monai_resnet18"][0]
    assert basic([3, 4, 6, 3]) == GOLDEN["monai_resnet34"][0]


@pytest.mark.parametrize("architecture", GOLDEN)
def test_sizes_and_what_a_backbone_can_do(architecture: str) -> None:
    backbone = made(architecture).eval()
    parameters, features = GOLDEN[architecture]
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert (backbone.head_hidden_size, backbone.dimensions) == (features, 3)
    side = 28 if "dense" in architecture else 12
    volumes = torch.randn(2, 3, side, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        activations, pooled = backbone.forward_features(volumes), backbone(volumes)
    left = 1 if "dense" in architecture else 2
    assert activations.shape == (2, features, left, left, left)
    assert torch.equal(pooled, activations.mean((2, 3, 4)))
    assert activations.min() >= 0


@pytest.mark.parametrize("side", [28, 64])
def test_cuts(side: int) -> None:
    units = {architecture: cuts(made(architecture), side) for architecture in GOLDEN}
    counts = {architecture: len(places) for architecture, places in units.items()}
    # ResNet-50 and DenseNet-121 as in 2D: 16 bottlenecks, or 58 layers and 3 transitions, and the stem
    assert counts == {
        "monai_resnet10": 5,
        "monai_resnet18": 9,
        "monai_resnet34": 17,
        "monai_resnet50": 17,
        "monai_densenet121": 62,
    }
    ends = [(p.name, p.channels) for p in units["monai_resnet50"] if p.ends_block]
    assert ends == [("stem", 64), ("layer1.2", 256), ("layer2.3", 512), ("layer3.5", 1024), ("layer4.2", 2048)]
    assert units["monai_resnet10"][0].macs == 64 * 3 * 27 * side**3
    assert units["monai_resnet18"][-1].parameters == GOLDEN["monai_resnet18"][0]
    assert [p.name for p in units["monai_densenet121"] if p.ends_block][1] == "features.transition1"


@pytest.mark.parametrize("architecture", ["monai_resnet10", "monai_densenet121"])
def test_gradients_reach_all_parameters(architecture: str) -> None:
    backbone = made(architecture)
    backbone(torch.randn(3, 3, 20, 20, 20, generator=torch.Generator().manual_seed(1))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in backbone.parameters())


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(UserError, match=r"'monai_resnet81' \(did you mean 'monai_resnet18'\?\); there are monai_dense"):
        create_native("monai_resnet81")
