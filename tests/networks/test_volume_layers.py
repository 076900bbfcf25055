"""Layers over volumes: what each computes, and that it keeps parameters, statistics and names."""

import torch
from timm.layers.norm import LayerNorm2d
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.squeeze_excite import SEModule
from torch import Tensor

from medgraft.networks.volume_convolutions import ACSConv, Geometry
from medgraft.networks.volume_layers import GlobalMean, SqueezeExcite, batch_norm, channel_norm


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_batch_norms_keep_statistics_and_activate() -> None:
    """All places of a batch count alike: a volume is to them a picture of depth · height by width."""
    images, twin = BatchNormAct2d(5), BatchNormAct2d(5)
    volumes, statistics = batch_norm(images), images.running_mean
    assert volumes.running_mean is statistics
    given = drawn(2, 5, 3, 4, 6)
    torch.testing.assert_close(volumes(given).flatten(2, 3), twin(given.flatten(2, 3)))
    assert volumes(given).min() == 0
    twin(given.flatten(2, 3))
    for name, tensor in twin.state_dict().items():
        torch.testing.assert_close(volumes.state_dict()[name], tensor)


def test_squeezes_and_channel_norms_see_a_volume_as_one_picture() -> None:
    squeeze, norm = SEModule(16), LayerNorm2d(16)
    volumes = SqueezeExcite(squeeze)
    for name in ("fc1", "fc2"):
        volumes.add_module(name, ACSConv(squeeze.get_submodule(name), Geometry(1, 1, 1, 1, 0)))  # type: ignore[arg-type]  # a Conv2d
    given = drawn(2, 16, 3, 4, 6)
    for images, made in ((squeeze, volumes), (norm, channel_norm(norm))):
        torch.testing.assert_close(made(given).flatten(2, 3), images(given.flatten(2, 3)))
        assert list(made.state_dict()) == list(images.state_dict())


def test_the_mean_is_over_the_volume() -> None:
    given = drawn(2, 5, 3, 4, 6)
    torch.testing.assert_close(GlobalMean(flatten=True)(given), given.flatten(2).mean(2))
    assert GlobalMean(flatten=False)(given).shape == (2, 5, 1, 1, 1)
