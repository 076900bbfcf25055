"""What lies below a cut stays bit for bit; what lies above has half the channels and comes from the seed alone."""

from copy import deepcopy
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medgraft.errors import UserError
from medgraft.networks.backbones import create_backbone, feature_count
from medgraft.networks.cuts import cuts
from medgraft.networks.slimming import slim

SIZE = 32
CASES = [
    ("resnet18", "stem"),
    ("resnet18", "layer2.0"),
    ("resnet50", "layer3.2"),
    ("resnet50d", "layer1.0"),
    ("resnetaa34d", "layer2.1"),
    ("resnext50_32x4d", "layer2.3"),
    ("densenet121", "stem"),
    ("densenet121", "features.denseblock3.denselayer7"),
    ("densenet121", "features.denseblock3.denselayer24"),
]
DRAWN = [("resnet18", "layer2.0"), ("densenet121", "features.transition3")]
REFUSED = ["vit_tiny_patch16_224", "efficientnet_lite0", "resnetv2_50", "skresnet18", "ecaresnet26t", "seresnet18"]
REFUSED += ["resnet50_gn", "resnetblur18", "densenetblur121d"]


def test_resnet50_with_half_a_stage_4_costs_what_the_paper_says() -> None:
    """TruncatedTL, arXiv 2106.05152, TF: 12.9 M parameters, 3.56 G with norms and pooling."""
    last = cuts(slim(create_backbone("resnet50", 224), "layer3.5", 224, seed=1), 224)[-1]
    assert last.parameters == 8_543_296 + (2_167_808 + 2 * 1_117_184)  # a block that projects 1024 to 1024, and two
    assert round(last.parameters / 1e6, 2) == 12.95
    assert round(last.macs / 1e9, 2) == 3.53
    assert last.channels == 1024


@pytest.mark.parametrize(
    ("cut", "growths", "parameters", "channels"),
    [
        ("stem", [[16] * 6, [16] * 12, [16] * 24, [16] * 16], 1_821_816, 516),
        ("features.transition2", [[32] * 6, [32] * 12, [16] * 24, [16] * 16], 3_172_224, 576),
        ("features.denseblock3.denselayer7", [[32] * 6, [32] * 12, [32] * 7 + [16] * 17, [16] * 16], 3_809_616, 632),
        ("features.denseblock3.denselayer24", [[32] * 6, [32] * 12, [32] * 24, [16] * 16], 5_612_160, 768),
        ("features.transition3", [[32] * 6, [32] * 12, [32] * 24, [16] * 16], 5_612_160, 768),
    ],
)
def test_a_densenet121_with_half_the_growth_costs_what_a_formula_says(
    cut: str, growths: list[list[int]], parameters: int, channels: int
) -> None:
    slimmed = slim(_outline("densenet121"), cut, SIZE, seed=1)
    assert sum(p.numel() for p in slimmed.parameters()) == _densenet_parameters(growths) == parameters
    assert feature_count(slimmed) == channels


def test_the_formula_is_that_of_the_whole_densenet121() -> None:
    assert _densenet_parameters([[32] * 6, [32] * 12, [32] * 24, [32] * 16]) == 6_953_856  # 6.954 M (2106.05152)


@pytest.mark.parametrize(("architecture", "cut"), CASES)
def test_what_lies_below_a_cut_stays_bit_for_bit(architecture: str, cut: str) -> None:
    inputs = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    whole = _used(architecture, inputs)
    slimmed = slim(deepcopy(whole), cut, SIZE, seed=1)
    before, after = cuts(whole, SIZE), cuts(slimmed, SIZE)
    assert [place.name for place in after] == [place.name for place in before]
    above = [place.name for place in before].index(cut) + 1
    assert after[:above] == before[:above]
    assert torch.equal(_taken(slimmed, after[above].name, inputs), _taken(whole, after[above].name, inputs))
    new = (*(f"{place.name}." for place in after[above:]), "features.norm5.")
    found = slimmed.state_dict()
    for name, tensor in whole.state_dict().items():
        assert name.startswith(new) or torch.equal(found[name], tensor), name
    assert all(name.startswith(new) for name in found.keys() - whole.state_dict().keys())
    assert not any(module.training for module in slimmed.modules())
    with torch.no_grad():
        assert slimmed(inputs).shape == (2, after[-1].channels) == (2, feature_count(slimmed))
    assert slimmed.num_features == feature_count(slimmed) < feature_count(whole)


@pytest.mark.parametrize(
    ("architecture", "cut"),
    [("resnet18", "stem"), ("resnet50d", "layer1.0"), ("resnext50_32x4d", "layer2.3"), ("wide_resnet50_2", "layer4.1")],
)
def test_every_convolution_above_is_half_as_wide(architecture: str, cut: str) -> None:
    whole = _outline(architecture)
    names = [place.name for place in cuts(whole, SIZE)]
    above = tuple(f"{name}." for name in names[names.index(cut) + 1 :])
    slimmed = slim(_outline(architecture), cut, SIZE, seed=1)
    for name, layer in whole.named_modules():
        if name.startswith(above) and isinstance(layer, nn.Conv2d):
            found: Any = slimmed.get_submodule(name)
            assert found.out_channels * 2 == layer.out_channels == 2 * found.weight.shape[0], name
            assert (found.stride, found.padding, found.groups) == (layer.stride, layer.padding, layer.groups), name


@pytest.mark.parametrize(("architecture", "cut"), DRAWN)
def test_new_weights_are_those_of_the_seed(architecture: str, cut: str) -> None:
    state = torch.get_rng_state()
    one, again, other = (slim(create_backbone(architecture, SIZE), cut, SIZE, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    old = create_backbone(architecture, SIZE).state_dict()
    for name, tensor in one.items():
        assert torch.equal(again[name], tensor), name
        kept = name in old and torch.equal(old[name], tensor)
        assert torch.equal(other[name], tensor) == (kept or tensor.ndim < 4), name
        if not kept and tensor.ndim == 4:
            fan_out = tensor.shape[0] * tensor[0, 0].numel()
            assert float(tensor.std()) == pytest.approx(sqrt(2 / fan_out), rel=0.05), name
            assert abs(float(tensor.mean())) < 0.1 * float(tensor.std()), name


@pytest.mark.parametrize(("architecture", "cut"), DRAWN)
def test_new_norms_start_at_one_and_zero_those_of_residual_branches_too(architecture: str, cut: str) -> None:
    backbone = create_backbone(architecture, SIZE)
    norms = [layer for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        for tensor in _states(layer):
            tensor.data.fill_(7)
    slimmed = slim(backbone, cut, SIZE, seed=1)
    lower = {id(layer.weight) for layer in norms if bool((layer.weight == 7).all())}
    new = [m for m in slimmed.modules() if isinstance(m, nn.BatchNorm2d) and id(m.weight) not in lower]
    assert len(new) > 4
    assert len(lower) > 4
    for layer in new:
        for tensor, value in zip(_states(layer), (1, 0, 0, 1), strict=True):
            assert bool((tensor == value).all())


@pytest.mark.parametrize(("architecture", "cut"), DRAWN)
def test_gradients_reach_all_layers_and_the_new_ones_from_the_first_step(architecture: str, cut: str) -> None:
    slimmed = slim(create_backbone(architecture, 64), cut, 64, seed=1)
    old = create_backbone(architecture, 64).state_dict()
    assert slimmed.training
    features = slimmed(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    (features * torch.randn(features.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in slimmed.named_parameters():
        assert parameter.grad is not None, name
        assert (name in old and torch.equal(old[name], parameter)) or bool(parameter.grad.any()), name


@pytest.mark.parametrize(
    ("architecture", "cut"), [("resnet18", "layer2.0"), ("densenet121", "features.denseblock3.denselayer7")]
)
def test_a_saved_one_is_loaded_into_another(architecture: str, cut: str) -> None:
    inputs = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    saved = slim(_used(architecture, inputs), cut, SIZE, seed=1)
    rebuilt = slim(create_backbone(architecture, SIZE, seed=8), cut, SIZE, seed=9).eval()
    rebuilt.load_state_dict(saved.state_dict())
    with torch.no_grad():
        assert torch.equal(rebuilt(inputs), saved(inputs))


@pytest.mark.parametrize("architecture", REFUSED)
def test_other_families_are_refused_with_what_to_take_instead(architecture: str) -> None:
    message = f"{architecture} cannot be slimmed: only ResNets .*DenseNets.*full or trun"
    with pytest.raises(UserError, match=message):
        slim(create_backbone(architecture, 224), "stem", 224, seed=1)


def test_a_cut_that_is_none_or_has_nothing_above_it_is_refused() -> None:
    with pytest.raises(UserError, match=r"nothing above .*'layer4\.1'.*up to layer4\.0\), or the strategy full"):
        slim(_outline("resnet18"), "layer4.1", SIZE, seed=1)
    with pytest.raises(UserError, match=r"last one.*up to features\.denseblock4\.denselayer15"):
        slim(_outline("densenet121"), "features.denseblock4.denselayer16", SIZE, seed=1)
    with pytest.raises(UserError, match=r"there is no cut 'layer3\.5'"):
        slim(_outline("resnet18"), "layer3.5", SIZE, seed=1)


def _densenet_parameters(growths: list[list[int]]) -> int:
    """Of a DenseNet-BC by the growth k of each of its dense layers (arXiv 1608.06993, section 3).

    A dense layer on w channels: norm, 1x1 to 4k, norm, 3x3 to k. A transition: norm, 1x1 to w/2.
    """
    width, total = 64, 3 * 64 * 49 + 2 * 64
    for number, block in enumerate(growths):
        if number:
            total += 2 * width + width * (width // 2)
            width //= 2
        for growth in block:
            total += 2 * width + width * 4 * growth + 2 * 4 * growth + 4 * growth * growth * 9
            width += growth
    return total + 2 * width


def _outline(architecture: str) -> nn.Module:
    """A backbone whose weights have shapes but no numbers, which take long to draw."""
    with torch.device("meta"):
        return create_backbone(architecture, SIZE)


def _states(norm: nn.BatchNorm2d) -> list[Tensor]:
    """Weight, bias, running mean and running variance."""
    return [
        norm.get_parameter("weight"),
        norm.get_parameter("bias"),
        norm.get_buffer("running_mean"),
        norm.get_buffer("running_var"),
    ]


def _used(architecture: str, inputs: Tensor) -> nn.Module:
    """A backbone whose batch norms have seen something, in evaluation mode; always the same one."""
    backbone = create_backbone(architecture, SIZE, seed=3)
    with torch.no_grad():
        backbone(inputs)
    return backbone.eval()


def _taken(backbone: nn.Module, unit: str, inputs: Tensor) -> Tensor:
    """What a unit takes: the activations at the cut right below it (a dense layer takes a list of them)."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, given: Any) -> None:
        seen.append((torch.cat(given[0], 1) if isinstance(given[0], list) else given[0]).clone())

    handle = backbone.get_submodule(unit).register_forward_pre_hook(keep)
    with torch.no_grad():
        backbone(inputs)
    handle.remove()
    return seen[0]
