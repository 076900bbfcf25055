"""The one preprocessing of volumes: as `preprocess.py` is for images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from medgraft.errors import UserError


class PreprocessVolume(nn.Module):
    """Volume as stored (RAS+) → network input, whose depth, height and width are Z, Y and X.

    The values from `window[0]` to `window[1]` become [0, 255], what lies beyond becomes 0 or 255; then an antialiased
    trilinear resize to a cube (proportions are not kept), no rounding, values to [0, 1], and the normalisation of the
    initialization.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, image_size: int, mean: Sequence[float], std: Sequence[float], window: tuple[float, float]
    ) -> None:
        super().__init__()
        low, high = window
        if not low < high:
            raise UserError(f"the window from {low} to {high} holds no values; its first end must be the lower one")
        self.image_size, self.low, self.scale = image_size, low, 255 / (high - low)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1, 1), persistent=False)

    def resize(self, volumes: Tensor) -> Tensor:
        """uint8, int16 or float32 [B, X, Y, Z, 1] → float32 [B, 1, size, size, size] in [0, 255], axes Z, Y, X.

        torch antialiases in two dimensions only, but the filter is separable: first X and Y, then Z.
        """
        size = (self.image_size, self.image_size)
        shown = ((volumes.to(torch.float32) - self.low) * self.scale).clamp(0, 255)
        slices = shown.squeeze(-1).permute(0, 3, 2, 1)  # [B, Z, Y, X]
        slices = functional.interpolate(slices, size=size, mode="bilinear", antialias=True)
        columns = slices.transpose(1, 2)  # [B, Y, Z, X], of which X has its size already and stays
        columns = functional.interpolate(columns, size=size, mode="bilinear", antialias=True)
        return columns.transpose(1, 2).unsqueeze(1)

    def normalise(self, volumes: Tensor) -> Tensor:
        """Float [B, 1, size, size, size] in [0, 255] → float32 [B, 3, size, size, size], normalised."""
        return (volumes / 255 - self.mean) / self.std

    def forward(self, volumes: Tensor) -> Tensor:
        """uint8, int16 or float32 [B, X, Y, Z, 1] → float32 [B, 3, size, size, size], normalised."""
        return self.normalise(self.resize(volumes))
