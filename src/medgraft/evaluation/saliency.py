"""Where a network looks: how much the probability of what it decided falls when a part of the image is hidden.

Occlusion (Zeiler & Fergus 2014, arXiv 1311.2901, section 4.1), and not gradients: it asks a question that a reader can
check by covering the same spot, it works alike for convolutions and transformers, and its answer depends on the weights
by construction, where several gradient maps look the same for a network with random weights (Adebayo et al. 2018,
arXiv 1810.03292). It shows what the decision rests on, not whether that is right.
"""

import numpy as np
import torch
from captum.attr import Occlusion
from torch import Tensor

from medgraft.evaluation.arrays import Floats
from medgraft.networks.network import EIGHT_BITS, Network, make_preprocess

WINDOWS_A_SIDE = {2: 8, 3: 4}  # of images, and, for their cost, fewer of volumes
BATCH = {2: 64, 3: 16}


def as_seen(network: Network, stored: Tensor) -> Tensor:
    """An image or volume as stored → float32 [1, C, size, size (, size)] in [0, 255], at the largest backbone's."""
    largest = max(network.spec.backbones, key=lambda backbone: backbone.image_size)
    return make_preprocess(largest, network.spec.window).resize(stored)


@torch.no_grad()
def occlusion_map(network: Network, temperature: float, seen: Tensor, c: int, present: bool) -> Floats:
    """How much of the calibrated probability of class c (or, unless `present`, of its absence) each place carries.

    What `as_seen` gives → float64 [size, size (, size)] in [-1, 1], in the network's own geometry: the mean fall of the
    probability over the windows that cover the place. A window is an eighth of the side (of volumes a quarter), the
    stride half a window; what it hides becomes the image's mean gray. Runs on the CPU, the same for the same image.
    """
    spec = network.spec
    network.eval()
    preprocesses = [make_preprocess(backbone, EIGHT_BITS) for backbone in spec.backbones]

    def probability(images: Tensor) -> Tensor:
        stored = images.permute(0, *range(images.ndim - 1, 1, -1), 1) if spec.dimensions == 3 else images.movedim(1, -1)
        scaled = network(*(preprocess(stored) for preprocess in preprocesses)).double() / temperature
        p = scaled.sigmoid() if spec.task == "multilabel" else scaled.softmax(dim=1)
        of_class: Tensor = p[:, c]
        return of_class if present else 1 - of_class

    window = max(1, seen.shape[-1] // WINDOWS_A_SIDE[spec.dimensions])
    stride = max(1, window // 2)
    falls: Tensor = Occlusion(probability).attribute(
        seen,
        sliding_window_shapes=(seen.shape[1], *[window] * spec.dimensions),
        strides=(seen.shape[1], *[stride] * spec.dimensions),
        baselines=float(seen.mean()),
        perturbations_per_eval=BATCH[spec.dimensions],
    )
    return np.asarray(falls[0, 0], dtype=np.float64)  # a window hides all channels, so they are alike
