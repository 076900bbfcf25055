"""Random views of training volumes: as `augmentation.py` makes them of images."""

import torch
from torch import Tensor

from medgraft.data.augmentation import Draws, moved, plane, relit
from medgraft.data.augmentation import still as unchanged
from medgraft.params import Augmentation


def augment_volumes(volumes: Tensor, settings: Augmentation, seed: int) -> Tensor:
    """Views of float32 [B, C, S, S, S] in [0, 255], of the same shape and range: a function of volumes and seed alone.

    Axes are Z, Y, X, as `PreprocessVolume.resize` gives them: x and y are those of an axial slice. `horizontal`
    mirrors left and right (X), `vertical` front and back (Y), nothing head and feet; rotation is about Z; zoom is the
    same along all axes; shifts are along all three. One trilinear resampling, black outside; then brightness scales a
    volume and contrast scales it around its mean.
    """
    if unchanged(settings):
        return volumes
    draws = Draws(len(volumes), torch.Generator().manual_seed(seed))
    across, down, zoom = plane(settings, draws)
    shift_x, shift_y, shift_z = (2 * draws.around(0, settings.translate) for _ in range(3))
    still = torch.zeros(len(volumes))
    rows = [[*across, still, shift_x], [*down, still, shift_y], [still, still, 1 / zoom, shift_z]]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    return relit(moved(volumes, theta), settings, draws)
