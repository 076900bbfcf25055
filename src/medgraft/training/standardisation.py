"""Standardised features: what training images tell of each one's mean and deviation."""

import numpy as np
from numpy.typing import NDArray

# A feature whose deviation is below this share of its size is a constant. In float32, 1e-5 of it may be rounding, which
# is not the same in the exported model, and standardising would blow it up.
LEAST_VARIATION = 1e-4


def standardisation(
    features: NDArray[np.float32] | NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scale float64 [d] of features [n, d]: their deviation; infinite for constant ones, which become zero."""
    x = features.astype(np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale <= LEAST_VARIATION * np.abs(x).max(axis=0)] = np.inf
    return mean, scale
