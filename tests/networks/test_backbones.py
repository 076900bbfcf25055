import pytest
import torch

from medgraft.networks.backbones import create_backbone, enliven
from medgraft.networks.taps import tapped


@pytest.mark.parametrize(
    ("architecture", "size", "units"),
    [
        ("resnet18", 64, ("layer1.0", "layer1.1")),
        ("convnext_atto", 64, ("stages.0.blocks.0", "stages.0.blocks.1")),
        ("vit_tiny_patch16_224", 32, ("blocks.0", "blocks.1")),
        ("vit_small_patch14_dinov2", 28, ("blocks.0", "blocks.1")),
        ("dm_nfnet_f0", 32, ("stages.1.0", "stages.1.1")),
        ("nfnet_l0", 32, ("stages.1.0", "stages.1.1")),
        ("fastvit_t8", 64, ("stages.1.blocks.0", "stages.1.blocks.1")),
    ],
)
def test_random_blocks_change_what_they_are_given(architecture: str, size: int, units: tuple[str, str]) -> None:
    inputs = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    backbone = enliven(create_backbone(architecture, size, 1)).eval()
    with torch.no_grad():
        before, after = tapped(backbone, inputs, units).values()
    assert (after - before).norm() > 0.005 * before.norm()  # closed: 1e-6 or nothing


@pytest.mark.parametrize("architecture", ["resnet18", "tf_efficientnet_lite0", "densenet121", "convnextv2_atto"])
def test_only_what_closes_a_branch_is_opened(architecture: str) -> None:
    drawn = create_backbone(architecture, 32, 1).state_dict()
    opened = enliven(create_backbone(architecture, 32, 1)).state_dict()
    changed = {name for name, value in opened.items() if not torch.equal(value, drawn[name])}
    closed = {f"layer{stage}.{block}.bn2.weight" for stage in range(1, 5) for block in range(2)}
    assert changed == (closed if architecture == "resnet18" else set())
    assert all(opened[name].eq(1).all() for name in changed)
