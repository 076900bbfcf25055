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

from medgraft.data.images import Pixels
from medgraft.evaluation.arrays import Floats
from medgraft.networks.network import Network

WINDOWS_A_SIDE = 8
BATCH = 64


@torch.no_grad()
def occlusion_map(network: Network, temperature: float, image: Pixels, c: int, present: bool) -> Floats:
    """How much of the calibrated probability of class c (or, unless `present`, of its absence) each place carries.

    uint8 [H, W, 1 or 3] → float64 [size, size] in [-1, 1], in the network's own geometry: the mean fall of the
    probability over the windows that cover the place. A window is an eighth of the side, the stride half a window; what
    it hides becomes the image's mean gray. Runs on the CPU, the same for the same image.
    """
    spec = network.spec
    network.eval()

    def probability(inputs: Tensor) -> Tensor:
        scaled = network(inputs).double() / temperature
        p = scaled.sigmoid() if spec.task == "multilabel" else scaled.softmax(dim=1)
        of_class: Tensor = p[:, c]
        return of_class if present else 1 - of_class

    inputs = network.preprocess(torch.from_numpy(image.copy())[None])
    gray = torch.full((1, 3, spec.image_size, spec.image_size), float(image.mean()))
    window = max(1, spec.image_size // WINDOWS_A_SIDE)
    stride = max(1, window // 2)
    falls: Tensor = Occlusion(probability).attribute(
        inputs,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=network.preprocess.normalise(gray),
        perturbations_per_eval=BATCH,
    )
    return np.asarray(falls[0, 0], dtype=np.float64)  # a window hides all channels, so they are alike
