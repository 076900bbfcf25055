"""Pictures of the cases to look at: a thumbnail, and where the network looked, laid over it."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from medgraft.data.dataset import read_images
from medgraft.data.images import Pixels
from medgraft.data.stored import decode_stored
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.failures import Case
from medgraft.evaluation.saliency import as_seen, occlusion_map
from medgraft.networks.network import Network

SIDE = 96
COLOURS = "inferno"
STRONGEST = 0.75  # opacity where the probability falls most


def write_gallery(
    folder: Path,
    cases: Sequence[Case],
    dataset: Path,
    splits: Sequence[str] | None,
    network: Network,
    temperature: float,
) -> None:
    """Write `<image_id>.png` and `<image_id>_saliency.png`, at most 96 px a side, for each case into `folder`.

    Of a volume they show one slice. The cases are of these splits (None: of any); no two share an image. The same bytes
    for the same images and network.
    """
    folder.mkdir()
    wanted = {case.image_id: case for case in cases}
    for image_id, raw in read_images(dataset, splits):
        case = wanted.get(image_id)
        if case is None:
            continue
        stored = decode_stored(raw, network.spec.dimensions)
        seen = as_seen(network, stored)
        falls = occlusion_map(network, temperature, seen, network.spec.classes.index(case.class_), case.present)
        image = stored[0].numpy()
        if network.spec.dimensions == 3:
            image, falls = middle(seen[0, 0].numpy(), falls)
        shown = thumbnail(image)
        Image.fromarray(shown).save(folder / f"{image_id}.png")
        Image.fromarray(overlay(shown, falls)).save(folder / f"{image_id}_saliency.png")


def middle(volume: NDArray[np.float32], falls: Floats) -> tuple[Pixels, Floats]:
    """The axial slice of a volume [Z, Y, X] in [0, 255], RAS+, where the probability falls most, and its falls.

    As radiologists see it: front up, the patient's right on the left.
    """
    place = int(np.argmax(np.clip(falls, 0, None).sum(axis=(1, 2))))
    gray = volume[place, ::-1, ::-1].round().astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2), falls[place, ::-1, ::-1]


def thumbnail(image: Pixels) -> Pixels:
    """uint8 [H, W, 3] → the same with its longer side 96 px."""
    return np.asarray(ImageOps.contain(Image.fromarray(image), (SIDE, SIDE), Image.Resampling.LANCZOS))


def overlay(shown: Pixels, falls: Floats) -> Pixels:
    """The thumbnail in gray, coloured where hiding a place lowers the probability, the more so the more it falls.

    `falls` [size, size] is stretched to the thumbnail, as the network's input was shrunk; scaled to its own largest
    fall. An image in which nothing lowers it stays gray.
    """
    height, width = shown.shape[:2]
    positive = np.clip(falls, 0, None).astype(np.float32)
    strength = np.asarray(Image.fromarray(positive).resize((width, height), Image.Resampling.BILINEAR))
    if strength.max() > 0:
        strength = strength / strength.max()
    colours = matplotlib.colormaps[COLOURS](strength)[..., :3]
    gray = np.asarray(Image.fromarray(shown).convert("L"))[..., None] / 255
    opacity = STRONGEST * strength[..., None]
    return np.asarray(np.round(255 * ((1 - opacity) * gray + opacity * colours)), dtype=np.uint8)
