"""Random views of training images that keep medical signs: moves, mirrors, brightness and contrast only.

A whole batch at once, each image with parameters of its own, all drawn from one seed: libraries' transforms draw
from global state and, one image at a time, cost as much as a small network's training step.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from medgraft.params import Augmentation


def augment(images: Tensor, settings: Augmentation, seed: int) -> Tensor:
    """Views of float32 [B, C, S, S] in [0, 255], of the same shape and range: a function of images and seed alone.

    Rotation, zoom, shift and mirroring are one bilinear resampling, black outside; then brightness scales an
    image and contrast scales it around its mean.
    """
    draws = torch.Generator().manual_seed(seed)
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=draws)

    def sign(flipped: bool) -> Tensor:
        draw = torch.rand(count, generator=draws) < 0.5
        return torch.where(draw & flipped, -1.0, 1.0)

    mirror_x = sign(settings.flips in ("horizontal", "both"))
    mirror_y = sign(settings.flips in ("vertical", "both"))
    angle = uniform(-settings.rotation, settings.rotation) * (math.pi / 180)
    zoom = uniform(1 - settings.scale, 1 + settings.scale)
    shift_x, shift_y = (2 * uniform(-settings.translate, settings.translate) for _ in range(2))
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    # Where each output pixel comes from, in coordinates from -1 to 1 (torch's affine_grid).
    rows = [torch.stack([cos * mirror_x, -sin * mirror_y, shift_x], 1)]
    rows.append(torch.stack([sin * mirror_x, cos * mirror_y, shift_y], 1))
    theta = torch.stack(rows, 1).to(images.device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    brightness = uniform(1 - settings.brightness, 1 + settings.brightness).to(images.device).view(-1, 1, 1, 1)
    contrast = uniform(1 - settings.contrast, 1 + settings.contrast).to(images.device).view(-1, 1, 1, 1)
    lit = moved * brightness
    mean = lit.mean((1, 2, 3), keepdim=True)
    return (mean + (lit - mean) * contrast).clamp(0, 255)
