"""Which values of volumes become black and white: one window for a whole dataset, told by its train volumes."""

from pathlib import Path

import numpy as np

from medgraft.data.dataset import dataset_card, read_images
from medgraft.data.volumes import decode_nifti
from medgraft.networks.network import EIGHT_BITS
from medgraft.seeds import derive

LOW, HIGH = 0.5, 99.5  # percentiles, as nnU-Net clips CT (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z, methods)
VOXELS = 5_000  # of each volume, drawn: evenly spaced ones could all lie in one plane


def window(dataset: Path) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of the train volumes' voxels, each volume counting alike; labels are not read.

    Images, and volumes whose every value is 8-bit, are taken as they are: 0 and 255. A set of one value gets a window
    of any width.
    """
    if dataset_card(dataset)["dimensions"] == 2:
        return EIGHT_BITS
    samples = []
    eight_bits = True
    for _, raw in read_images(dataset, ["train"]):
        voxels = decode_nifti(raw)[0]
        eight_bits = eight_bits and voxels.dtype == np.uint8
        flat = voxels.reshape(-1)
        drawn = np.random.default_rng(derive("window", flat.size)).choice(
            flat.size, min(flat.size, VOXELS), replace=False
        )
        samples.append(flat[drawn].astype(np.float64))
    if eight_bits:
        return EIGHT_BITS
    low, high = (float(np.percentile(np.concatenate(samples), percent)) for percent in (LOW, HIGH))
    return (low, high) if np.float32(high) > np.float32(low) else (low, low + max(1.0, abs(low)))
