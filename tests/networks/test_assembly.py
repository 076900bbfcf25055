"""Backbones as networks use them: cut, slimmed, for volumes; saved and read back; frozen parts; features on the way."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.nets import HALF, QUARTER
from torch import nn

from medgraft.errors import UserError
from medgraft.networks.assembly import BackboneSpec, assemble, transplant
from medgraft.networks.cuts import WHOLE, cuts
from medgraft.networks.freezing import at_or_below
from medgraft.networks.network import Network, NetworkSpec, load_network, new_network, save_network
from medgraft.networks.taps import tapped

RESNET = BackboneSpec("resnet18", 32, HALF, QUARTER)
INFLATED = BackboneSpec("resnet18", 16, HALF, QUARTER, "inflated")
SMALL = BackboneSpec("mobilenetv3_small_100", 40, HALF, QUARTER)
NETWORKS: dict[str, tuple[tuple[BackboneSpec, ...], str]] = {
    "cut": ((replace(RESNET, cut="layer3.0"),), "standardised_linear"),
    "flattened": ((replace(RESNET, cut="layer3.0", pooling="flatten"),), "linear"),
    "slimmed": ((replace(RESNET, cut="layer3.0", above="slimmed"),), "linear"),
    "several": ((RESNET, SMALL), "dvme"),
    "averaged": ((RESNET, SMALL), "mean_probability"),
    "acs": ((replace(RESNET, image_size=16, volumes="acs"),), "linear"),
    "slimmed inflated": (
        (replace(RESNET, image_size=16, volumes="inflated", cut="layer2.0", above="slimmed"),),
        "linear",
    ),
    "cut inflated": ((replace(RESNET, image_size=16, volumes="inflated", cut="layer2.0"),), "linear"),
}


def weights_of(spec: BackboneSpec) -> dict[str, torch.Tensor]:
    """Of the whole backbone."""
    return dict(assemble(replace(spec, cut=None), seed=5).state_dict())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_any_make_is_read_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    backbones, head = NETWORKS[name]
    spec = NetworkSpec(backbones, ("a", "b"), head, "binary", (-100.0, 300.0))  # type: ignore[arg-type]  # a Kind
    network = new_network(spec, [weights_of(backbone) for backbone in backbones], 3).eval()
    save_network(network, tmp_path)
    again = load_network(tmp_path)
    assert again.spec == spec
    shape = (2, 30, 44, 3) if spec.dimensions == 2 else (2, 20, 18, 14, 1)
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    assert torch.equal(again.predict(images), network.predict(images))


@pytest.mark.parametrize("volumes", [None, "acs", "inflated"])
def test_a_slimmed_backbone_keeps_the_pretrained_weights_below_the_cut_and_those_alone(volumes: str | None) -> None:
    spec = replace(RESNET, volumes=volumes, cut="layer3.0", above="slimmed")  # type: ignore[arg-type]  # a Volumes
    whole = weights_of(spec)
    slimmed = transplant(spec, whole, 7).state_dict()
    below = transplant(replace(spec, above="removed"), whole, 7)
    kept = {key.removeprefix("trunk.") for key in below.state_dict()}
    assert all(torch.equal(slimmed[key], whole[key]) for key in kept)
    above = [key for key in slimmed.keys() - kept if key.endswith("conv1.weight")]
    assert above
    assert not any(slimmed[key].shape == whole[key].shape for key in above)


def test_what_lies_at_or_below_a_cut_is_that_and_nothing_else() -> None:
    for spec in (RESNET, BackboneSpec("vit_tiny_patch16_224", 32, HALF, QUARTER)):
        backbone = assemble(spec)
        places = cuts(backbone, 32)
        for place in places:
            parts = at_or_below(backbone, place.name)
            held = [p for part in parts for p in ([part] if isinstance(part, nn.Parameter) else part.parameters())]
            assert sum(p.numel() for p in held) == place.parameters
    assert any(isinstance(part, nn.Parameter) for part in parts)  # a class token has no module of its own


@pytest.mark.parametrize("architecture", ["resnet18", "densenet121", "convnext_atto", "vit_tiny_patch16_224"])
def test_features_on_the_way_are_those_of_backbones_cut_there(architecture: str) -> None:
    spec = BackboneSpec(architecture, 32, HALF, QUARTER)
    weights = weights_of(spec)
    whole = transplant(spec, weights, 0).eval()
    names = [place.name for place in cuts(whole, 32)][:: 16 if architecture == "densenet121" else 2]
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = tapped(whole, inputs, [*names, WHOLE])
        assert list(found) == [*names, WHOLE]
        assert torch.equal(found[WHOLE], whole(inputs))
        for name in names:
            assert torch.equal(found[name], transplant(replace(spec, cut=name), weights, 0).eval()(inputs)), name


def test_one_backbone_looks_at_each_size_of_its_own() -> None:
    network = Network(
        NetworkSpec((RESNET, SMALL), ("a", "b"), "dvme", "binary"), [assemble(RESNET), assemble(SMALL)], 0
    )
    shapes = [tuple(given.shape) for given in network.preprocess(torch.zeros(2, 50, 60, 3, dtype=torch.uint8))]
    assert shapes == [(2, 3, 32, 32), (2, 3, 40, 40)]


@pytest.mark.parametrize(
    ("architecture", "volumes", "message"),
    [
        ("monai_resnet18", None, "set `volumes: native`"),
        ("resnet18", "native", "takes images: set `volumes: acs`"),
        ("vit_tiny_patch16_224", "acs", "vit_tiny_patch16_224|VisionTransformer"),
    ],
)
def test_a_backbone_that_does_not_take_volumes_like_that_is_refused(
    architecture: str, volumes: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        assemble(BackboneSpec(architecture, 32, HALF, QUARTER, volumes))  # type: ignore[arg-type]  # a Volumes
