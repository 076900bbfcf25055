"""The one preprocessing: what is evaluated, what is exported and what is served are this module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Preprocess(nn.Module):
    """Image as stored → network input.

    Antialiased bilinear resize to a square (the aspect ratio is not kept), no rounding, values to [0, 1], then the
    normalisation of the initialization. `antialias=False` would differ from what image libraries do by up to
    0.66 on [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, image_size: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def resize(self, images: Tensor) -> Tensor:
        """uint8 [B, H, W, C] → float32 [B, C, size, size], still in [0, 255]."""
        channels_first = images.permute(0, 3, 1, 2).to(torch.float32)
        size = (self.image_size, self.image_size)
        return functional.interpolate(channels_first, size=size, mode="bilinear", antialias=True)

    def normalise(self, images: Tensor) -> Tensor:
        """Float [B, 1 or 3, size, size] in [0, 255] → float32 [B, 3, size, size], normalised."""
        return (images / 255 - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [B, H, W, 1 or 3] → float32 [B, 3, size, size], normalised."""
        return self.normalise(self.resize(images))
