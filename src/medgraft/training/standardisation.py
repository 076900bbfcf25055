"""Standardised features: what training images tell of each one's mean and deviation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A feature whose deviation is below this share of its size is a constant. In float32, 1e-5 of it may be rounding, which
# is not the same in the exported model, and standardising would blow it up.
LEAST_VARIATION = 1e-4
# A scale is no less than this share of the median scale of the same backbone's features. A rectified unit that is off
# in all training images but one has a deviation as faint as that one value; where it fires as its neighbours do, in an
# image not trained on, it would outweigh them all a thousandfold. See `benchmarks/strategies.md`, "Faint features".
LEAST_SCALE = 0.1


def standardisation(
    features: NDArray[np.float32] | NDArray[np.float64], widths: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale float64 [d] of features [n, d], those of backbones of these widths side by side (d in all).

    Scale: their deviation, but no less than `LEAST_SCALE` of the median among the same backbone's; infinite for
    constant ones, which become zero.
    """
    x = features.astype(np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale <= LEAST_VARIATION * np.abs(x).max(axis=0)] = np.inf
    for of_one in np.split(scale, np.cumsum(widths)[:-1]):
        varying = of_one[np.isfinite(of_one)]
        if len(varying):
            np.maximum(of_one, LEAST_SCALE * np.median(varying), out=of_one)
    return mean, scale
