"""Augmentation of volumes: as of images, and along the third axis nothing but zoom and shift."""

import torch
from torch import Tensor

from medgraft.data.augmentation_volume import augment_volumes
from medgraft.params import Augmentation

STILL = Augmentation(flips="none", rotation=0, scale=0, translate=0, brightness=0, contrast=0)


def told(**settings: object) -> Augmentation:
    return STILL.model_copy(update=settings)


def batch(count: int = 6) -> Tensor:
    return torch.rand(count, 1, 9, 9, 9, generator=torch.Generator().manual_seed(0)) * 255


def same(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found, expected, atol=1e-2))


def test_nothing_asked_nothing_changed() -> None:
    assert same(augment_volumes(batch(), STILL, seed=3), batch())


def test_horizontal_mirrors_x_and_vertical_y() -> None:
    for flips, axes in (("horizontal", [(), (-1,)]), ("vertical", [(), (-2,)]), ("both", [(), (-1,), (-2,), (-1, -2)])):
        views = augment_volumes(batch(16), told(flips=flips), seed=1)
        seen = [
            [same(view, volume.flip(along)) for along in axes] for view, volume in zip(views, batch(16), strict=True)
        ]
        assert all(sum(row) == 1 for row in seen)
        assert all(any(column) for column in zip(*seen, strict=True))


def test_rotation_is_about_z() -> None:
    """Axial slices that are all equal stay so; a ball hardly changes."""
    slices = batch()[:, :, :1].expand(-1, -1, 9, -1, -1)
    views = augment_volumes(slices, told(rotation=180.0), seed=5)
    assert same(views, views[:, :, :1].expand_as(views))
    assert not same(views, slices)
    ball = torch.linspace(-1, 1, 9).square()
    ball = (ball.view(-1, 1, 1) + ball.view(-1, 1) + ball < 0.5).float()[None, None].expand(6, -1, -1, -1, -1) * 200
    assert (augment_volumes(ball, told(rotation=180.0), seed=5) - ball).abs().mean() < 6


def test_zoom_is_the_same_along_all_axes() -> None:
    cube = torch.zeros(8, 1, 33, 33, 33)
    cube[:, :, 8:25, 8:25, 8:25] = 255
    views = augment_volumes(cube, told(scale=0.4), seed=2)
    sides = [views.sum([axis for axis in (2, 3, 4) if axis != kept]).amax(-1) for kept in (2, 3, 4)]
    assert all(same(sides[0] / 1000, side / 1000) for side in sides)
    volumes = views.mean((1, 2, 3, 4))
    assert volumes.max() / volumes.min() > 1.3


def test_shifts_are_along_all_axes_and_black_comes_in() -> None:
    white = torch.full((40, 1, 10, 10, 10), 255.0)
    views = augment_volumes(white, told(translate=0.3), seed=4)[:, 0]
    for axis in (1, 2, 3):
        first, last = views.select(axis, 0), views.select(axis, -1)
        assert ((first.amax((1, 2)) < 1) | (last.amax((1, 2)) < 1)).float().mean() > 0.3
    assert views[:, 5, 5, 5].min() > 254


def test_light_is_one_factor_a_volume() -> None:
    gray = torch.full((200, 2, 3, 3, 3), 100.0)
    lit = augment_volumes(gray, told(brightness=0.2), seed=0)
    assert same(lit, lit.mean((1, 2, 3, 4), keepdim=True).expand_as(lit))
    assert 79.9 <= lit.min() < 85 < 115 < lit.max() <= 120.1
    around = augment_volumes(batch(), told(contrast=0.3), seed=0)
    assert torch.allclose(around.mean((1, 2, 3, 4)), batch().mean((1, 2, 3, 4)), rtol=0.05)
    assert not same(around, batch())


def test_same_seed_same_views_and_global_state_untouched() -> None:
    settings = Augmentation(flips="both")
    state = torch.random.get_rng_state()
    first = augment_volumes(batch(), settings, seed=9)
    assert torch.equal(first, augment_volumes(batch(), settings, seed=9))
    assert not torch.equal(first, augment_volumes(batch(), settings, seed=10))
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.shape == batch().shape
    assert first.min() >= 0
    assert first.max() <= 255
