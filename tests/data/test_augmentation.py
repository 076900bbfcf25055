"""Augmentation: a pure function of images, settings and seed, that changes nothing it was not told to."""

import torch

from medgraft.data.augmentation import augment
from medgraft.params import Augmentation

STILL = Augmentation(flips="none", rotation=0, scale=0, translate=0, brightness=0, contrast=0)


def batch() -> torch.Tensor:
    return torch.rand(6, 1, 17, 17, generator=torch.Generator().manual_seed(0)) * 255


def test_nothing_asked_nothing_changed() -> None:
    assert torch.allclose(augment(batch(), STILL, seed=3), batch(), atol=1e-3)


def test_flips_are_exact_mirrors_and_only_those_asked_for() -> None:
    views = augment(batch(), STILL.model_copy(update={"flips": "horizontal"}), seed=1)
    mirrored = [bool(torch.allclose(v, x.flip(-1), atol=1e-3)) for v, x in zip(views, batch(), strict=True)]
    plain = [bool(torch.allclose(v, x, atol=1e-3)) for v, x in zip(views, batch(), strict=True)]
    assert all(m or p for m, p in zip(mirrored, plain, strict=True))
    assert any(mirrored)
    assert any(plain)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    turned = augment(batch(), STILL.model_copy(update={"rotation": 90.0}), seed=5)
    assert turned.shape == batch().shape
    assert not torch.allclose(turned, batch(), atol=1.0)


def test_same_seed_same_views_and_global_state_untouched() -> None:
    settings = Augmentation(flips="both")
    state = torch.random.get_rng_state()
    first = augment(batch(), settings, seed=9)
    assert torch.equal(first, augment(batch(), settings, seed=9))
    assert not torch.equal(first, augment(batch(), settings, seed=10))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.min() >= 0
    assert first.max() <= 255


def test_brightness_scales_within_its_range() -> None:
    gray = torch.full((200, 1, 4, 4), 100.0)
    lit = augment(gray, STILL.model_copy(update={"brightness": 0.2}), seed=0).mean((1, 2, 3))
    assert lit.min() >= 79.9
    assert lit.max() <= 120.1
    assert lit.std() > 5
