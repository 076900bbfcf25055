"""Features that tell their labels."""

import numpy as np
from numpy.typing import NDArray


def some(
    n: int, d: int, classes: int = 3, effect: float = 1.0, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features whose class means differ, and unbalanced labels of which each class occurs."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % (classes + 1) % classes
    means = effect * rng.standard_normal((classes, d))
    return (means[labels] + rng.standard_normal((n, d))) * np.linspace(2, 0.2, d) + 1, labels
