"""What a dataset holds, back as an array: the one way from stored bytes to what preprocessing takes."""

import numpy as np
import torch
from torch import Tensor

from medgraft.data.images import decode
from medgraft.data.volumes import decode_nifti


def decode_stored(raw: bytes, dimensions: int) -> Tensor:
    """One image uint8 [1, H, W, 3], or one volume float32 [1, X, Y, Z, 1], of the card's `dimensions` (2 or 3)."""
    array = decode(raw) if dimensions == 2 else decode_nifti(raw)[0][..., None].astype(np.float32)
    return torch.from_numpy(array.copy())[None]
