"""Golden numbers of cuts; what lies below one is bit for bit what it was, what lies above is gone."""

from copy import deepcopy
from typing import Any, cast

import pytest
import timm
import torch
from torch import Tensor, nn

from medgraft.errors import UserError
from medgraft.networks.backbones import create_backbone
from medgraft.networks.cuts import WHOLE, Truncated, cuts, find_cut, truncate
from medgraft.networks.native import create_native
from medgraft.networks.taps import tapped
from medgraft.networks.units import STEM, units_of
from medgraft.networks.volumetric import How, to_volumes

FAMILIES = {
    "resnet18": 64,
    "seresnet50": 64,
    "resnetv2_50": 64,
    "densenet121": 64,
    "tf_efficientnet_lite0": 64,
    "mobilenetv3_small_100": 64,
    "mobilenetv2_100": 64,
    "ghostnet_100": 64,
    "convnext_atto": 64,
    "regnetx_002": 64,
    "repvgg_a0": 64,
    "xception41": 64,
    "vgg11_bn": 32,
    "vit_tiny_patch16_224": 64,
    "swin_tiny_patch4_window7_224": 224,
    "mixer_s16_224": 224,
    "pvt_v2_b0": 64,
    "efficientformer_l1": 224,
}
# Timm counts units there after which they do otherwise, or do not work, once their upper layers are gone.
IN_PART = {
    "nf_resnet26": (64, {"stages.3.1"}),  # an activation follows
    "darknet53": (64, {"stem"}),
    "eva02_tiny_patch14_224": (56, {"stem"}),
    "fastvit_t8": (64, {"stem"}),
    "tiny_vit_5m_224": (224, {f"stages.{s}.blocks.{b}" for s, count in ((1, 2), (2, 6), (3, 2)) for b in range(count)}),
}


def test_the_units_of_resnet50_cost_what_the_paper_says() -> None:
    """Backbone parameters and MACs at 224 px by unit cut, 1 (stem) to 17 (whole)."""
    found = cuts(create_backbone("resnet50", 224), 224)
    assert len(found) == 17
    golden = {1: (0.010, 0.118), 4: (0.225, 0.786), 8: (1.445, 1.814), 9: (2.957, 2.186), 12: (6.309, 2.841)}
    golden |= {14: (8.543, 3.278), 15: (14.583, 3.650), 17: (23.508, 4.087)}
    for number, (parameters, macs) in golden.items():
        place = found[number - 1]
        assert (round(place.parameters / 1e6, 3), round(place.macs / 1e9, 3)) == (parameters, macs), number
    assert [(p.name, p.channels, p.reduction) for p in found if p.ends_block] == [
        ("stem", 64, 4),
        ("layer1.2", 256, 4),
        ("layer2.3", 512, 8),
        ("layer3.5", 1024, 16),
        ("layer4.2", 2048, 32),
    ]


@pytest.mark.parametrize(
    ("architecture", "parameters", "channels"),
    [("densenet201", [0.378, 1.430, 11.111], [128, 256, 896]), ("densenet121", [0.378, 1.430, 4.794], [128, 256, 512])],
)
def test_the_transitions_of_densenets(architecture: str, parameters: list[float], channels: list[int]) -> None:
    found = cuts(create_backbone(architecture, 64), 64)
    ends = [place for place in found if place.ends_block]
    assert [round(p.parameters / 1e6, 3) for p in ends[1:4]] == parameters
    assert [p.channels for p in ends[1:4]] == channels
    assert [p.name for p in ends[1:4]] == [f"features.transition{number}" for number in (1, 2, 3)]
    whole = sum(p.numel() for p in create_backbone(architecture, 64).parameters())
    assert round(whole / 1e6, 3) == (18.093 if architecture == "densenet201" else 6.954)


@pytest.mark.parametrize("architecture", IN_PART)
def test_where_a_backbone_would_do_otherwise_is_no_cut(architecture: str) -> None:
    size, missing = IN_PART[architecture]
    drawn = create_backbone(architecture, size, seed=3).eval()
    places = [place.name for place in cuts(drawn, size)]
    assert set(places) == {STEM, *units_of(drawn)} - missing
    inputs = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        seen = tapped(drawn, inputs, places)
        for name in (places[0], places[-1]):
            torch.testing.assert_close(truncate(deepcopy(drawn), name, size)(inputs), seen[name])
    before = drawn.state_dict().keys()
    with pytest.raises(UserError, match="it would not give what it gives there"):
        truncate(drawn, min(missing), size)
    assert drawn.state_dict().keys() == before  # untouched


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_truncated_backbone_gives_what_the_whole_gave_there(architecture: str) -> None:
    size = FAMILIES[architecture]
    inputs = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    drawn = create_backbone(architecture, size, seed=3).eval()
    whole = deepcopy(drawn)
    places = cuts(whole, size)
    # The stem has not seen the image yet where a class token is read.
    assert [place.name for place in places] == [STEM, *units_of(drawn)][architecture.startswith("vit") :]
    for name in ("parameters", "macs", "block", "reduction"):
        values = [getattr(place, name) for place in places]
        assert values == sorted(values), name
    seen = _activations(whole, [place.name for place in places], inputs)
    for place in [places[0], places[len(places) // 2], places[-1]]:
        cut = truncate(deepcopy(drawn), place.name, size)
        with torch.no_grad():
            found, features = cut.activations(inputs), cut(inputs)
        assert torch.equal(found, seen[place.name]), place.name
        assert features.shape == (2, place.channels)
        assert sum(p.numel() for p in cut.parameters()) == place.parameters
        kept = {name.removeprefix("trunk.") for name in cut.state_dict()}
        assert kept <= set(whole.state_dict())
        assert (kept == set(whole.state_dict())) <= (place is places[-1])
        assert not cut.training


def test_the_map_can_be_flattened() -> None:
    cut = truncate(create_backbone("resnet18", 64), "layer3.0", 64, "flatten")
    with torch.no_grad():
        assert cut(torch.zeros(1, 3, 64, 64)).shape == (1, cut.head_hidden_size)
    assert cut.head_hidden_size == 256 * 4 * 4
    assert cut.training


@pytest.mark.parametrize("kind", ["acs", "inflated", "monai_resnet10", "monai_densenet121"])
def test_volumes_are_cut_as_images_are(kind: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        drawn = (
            to_volumes(timm.create_model("mobilenetv3_small_100", num_classes=0), cast(How, kind))
            if kind in ("acs", "inflated")
            else create_native(kind)
        ).eval()
    size = 16
    inputs = torch.randn(2, 3, size, size, size, generator=torch.Generator().manual_seed(1))
    places = cuts(drawn, size)
    seen = _activations(deepcopy(drawn), [place.name for place in places], inputs)
    for place in [places[0], places[len(places) // 2], places[-1]]:
        cut = truncate(deepcopy(drawn), place.name, size)
        with torch.no_grad():
            found, features = cut.activations(inputs), cut(inputs)
        assert torch.equal(found, seen[place.name]), place.name
        assert torch.equal(features, found.mean((2, 3, 4)))
        assert (features.shape[1], sum(p.numel() for p in cut.parameters())) == (place.channels, place.parameters)
        assert (size // found.shape[2]) == place.reduction
    flat = truncate(drawn, places[1].name, size, "flatten")
    assert flat.head_hidden_size == seen[places[1].name][0].numel()


def test_gradients_reach_the_first_layer() -> None:
    cut = truncate(create_backbone("mobilenetv3_small_100", 64), "blocks.2.0", 64)
    cut(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in cut.parameters())


def test_what_cannot_be_cut_is_told() -> None:
    places = cuts(create_backbone("resnet18", 64), 64)
    with pytest.raises(UserError, match=r"no cut 'layer3\.5' \(did you mean 'layer3\.1'\?\); there are stem, layer1"):
        find_cut(places, "layer3.5")
    for architecture, why in (
        ("hrnet_w18_small", "several maps side by side"),
        ("inception_v3", "timm does not say"),
        ("coat_lite_tiny", "bare parameters"),
        ("rdnet_tiny", "timm does not say"),
        ("vit_base_patch16_siglip_224", "does not give what it gave"),  # its pooling has weights
    ):
        with pytest.raises(UserError, match=f"cannot be cut: .*{why}"):
            cuts(create_backbone(architecture, 96), 96)
    with torch.device("meta"):  # 300 M parameters; cut off below the layer that joins its maps, it gives a list
        joining = timm.create_model("mobilenetv5_300m", num_classes=0)
    with pytest.raises(UserError, match=r"cannot be cut: .*does not give what it gave"):
        cuts(joining, 256)
    with pytest.raises(UserError, match="does not take a side of 28"):
        cuts(create_backbone("densenet121", 28), 28)


def test_what_cannot_be_cut_is_read_whole() -> None:
    inputs = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    backbone = create_backbone("inception_v3", 96).eval()
    with torch.no_grad():
        assert torch.equal(tapped(backbone, inputs, [WHOLE])[WHOLE], backbone(inputs))
    with pytest.raises(UserError, match="cannot be cut"):
        tapped(backbone, inputs, [STEM, WHOLE])


def test_the_reduction_is_the_stride_whatever_the_side() -> None:
    for size in (28, 50, 64, 225):
        assert [p.reduction for p in cuts(create_backbone("resnet18", size), size)] == [4, 4, 4, 8, 8, 16, 16, 32, 32]
    for architecture, side, patch in (("vit_small_patch14_dinov2", 56, 14), ("vit_tiny_patch16_224", 64, 16)):
        assert {place.reduction for place in cuts(create_backbone(architecture, side), side)} == {patch}


def _activations(whole: nn.Module, names: list[str], inputs: Tensor) -> dict[str, Tensor]:
    """What the next layer that has weights takes: right above each of the cuts, as an independent witness."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, given: Any, output: Any) -> None:
            seen[name] = (torch.cat([*given[0], output], 1) if isinstance(given[0], list) else output).clone()

        return hook

    def stem(_: nn.Module, given: Any) -> None:
        if STEM not in seen:
            seen[STEM] = (given[0][0] if isinstance(given[0], list) else given[0]).clone()

    first = next(name for name in names if name != STEM)
    whole.get_submodule(first).register_forward_pre_hook(stem)
    vgg = first.startswith("features.") and "." not in first.removeprefix("features.")
    for name in names:
        if name != STEM:
            # VGG is one row of bare layers: a unit ends with the activation and the pooling that follow its norm.
            module = (
                _last_of_row(whole, name) if vgg and isinstance(whole.get_submodule(name), nn.BatchNorm2d) else name
            )
            whole.get_submodule(module).register_forward_hook(keep(name))
    with torch.no_grad():
        cast(Any, whole).forward_features(inputs)
    return seen


def _last_of_row(whole: nn.Module, name: str) -> str:
    row, number = whole.get_submodule("features"), int(name.removeprefix("features.")) + 1
    while number < len(cast(Any, row)) and isinstance(cast(Any, row)[number], nn.ReLU | nn.MaxPool2d):
        number += 1
    return f"features.{number - 1}"


def test_the_wrapper_is_what_training_and_export_expect() -> None:
    cut = truncate(create_backbone("resnet18", 32), "layer2.1", 32)
    assert isinstance(cut, Truncated)
    assert cut.head_hidden_size == 128
