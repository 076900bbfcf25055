"""Thumbnails of the pictures that a report lists, for a look by eye."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from medgraft.data.threads import mapped

SIDE = 96  # pixels


def write_thumbnails(folder: Path, names: Mapping[str, str], load: Callable[[str], NDArray[np.uint8]]) -> None:
    """Write one PNG of 96 x 96 pixels below `folder` for each image id of `names`, under its name.

    `load` gives an image by its id, uint8 [H, W, 1 or 3]; the proportions stay, what is left over is black. The same
    pixels give the same file.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(image_id: str) -> None:
        thumbnail(load(image_id)).save(folder / names[image_id], "PNG", compress_level=1)

    deque(mapped(write, names), maxlen=0)


def thumbnail(array: NDArray[np.uint8]) -> Image.Image:
    """uint8 [H, W, 1 or 3] → 96 x 96 pixels, gray or RGB."""
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    return ImageOps.pad(image, (SIDE, SIDE), Image.Resampling.BICUBIC)
