"""Random views of training images that keep medical signs: moves, mirrors, brightness and contrast only.

A whole batch at once, each image with parameters of its own, all drawn from one seed: libraries' transforms draw
from global state and, one image at a time, cost as much as a small network's training step.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from medgraft.params import Augmentation


@dataclass(frozen=True)
class Draws:
    """Numbers for `count` images, drawn one after the other from a generator of their own."""

    count: int
    generator: torch.Generator

    def around(self, middle: float, most: float) -> Tensor:
        """Evenly from `middle - most` to `middle + most`, float32 [count]."""
        low, high = middle - most, middle + most
        return low + (high - low) * torch.rand(self.count, generator=self.generator)

    def sign(self, flipped: bool) -> Tensor:
        """-1 or 1 at even odds where `flipped`, else 1, float32 [count]."""
        draw = torch.rand(self.count, generator=self.generator) < 0.5
        return torch.where(draw & flipped, -1.0, 1.0)


def augment(images: Tensor, settings: Augmentation, seed: int) -> Tensor:
    """Views of float32 [B, C, S, S] in [0, 255], of the same shape and range: a function of images and seed alone.

    Rotation, zoom, shift and mirroring are one bilinear resampling, black outside; then brightness scales an
    image and contrast scales it around its mean.
    """
    if still(settings):
        return images
    draws = Draws(len(images), torch.Generator().manual_seed(seed))
    across, down, _ = plane(settings, draws)
    shift_x, shift_y = (2 * draws.around(0, settings.translate) for _ in range(2))
    theta = torch.stack([torch.stack([*across, shift_x], 1), torch.stack([*down, shift_y], 1)], 1)
    return relit(moved(images, theta), settings, draws)


def still(settings: Augmentation) -> bool:
    """Whether nothing is changed: resampling an image onto itself would only cost time, and a thousandth of a step."""
    return settings.flips == "none" and not any(settings.model_dump(exclude={"flips"}).values())


def plane(settings: Augmentation, draws: Draws) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
    """Mirroring, rotation and zoom in the plane of x and y: both rows of the matrix, and the zoom, float32 [B] each.

    They say where each output pixel comes from, in coordinates from -1 to 1 (torch's affine_grid).
    """
    mirror_x = draws.sign(settings.flips in ("horizontal", "both"))
    mirror_y = draws.sign(settings.flips in ("vertical", "both"))
    angle = draws.around(0, settings.rotation) * (math.pi / 180)
    zoom = draws.around(1, settings.scale)
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    return (cos * mirror_x, -sin * mirror_y), (sin * mirror_x, cos * mirror_y), zoom


def moved(images: Tensor, theta: Tensor) -> Tensor:
    """Images or volumes resampled linearly by matrices [B, 2, 3] or [B, 3, 4], black outside."""
    grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def relit(images: Tensor, settings: Augmentation, draws: Draws) -> Tensor:
    """Each of [B, C, ...] scaled, and scaled around its mean, in [0, 255]."""
    one_each = (-1, *[1] * (images.ndim - 1))
    brightness = draws.around(1, settings.brightness).to(images.device).view(one_each)
    contrast = draws.around(1, settings.contrast).to(images.device).view(one_each)
    lit = images * brightness
    mean = lit.mean(tuple(range(1, images.ndim)), keepdim=True)
    return (mean + (lit - mean) * contrast).clamp(0, 255)
