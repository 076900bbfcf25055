"""How alike two networks see the same images."""

import numpy as np
from numpy.typing import NDArray


def linear_cka(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Linear centred kernel alignment of features [n, d] and [n, e] of the same n >= 4 images, at most 1.

    Kornblith et al., arXiv 1905.00414, equation 4, with the unbiased estimate of HSIC (Song et al. 2012, JMLR 13,
    equation 5, as in Nguyen et al., arXiv 2010.15327): the plain one calls any two networks alike that have more
    features than there are images. Near 0, also below it, where nothing is shared; NaN where features are constant.
    """
    kernels = [_without_diagonal(features.astype(np.float64)) for features in (one, other)]
    norms = [_hsic(kernel, kernel) for kernel in kernels]
    if min(norms) <= 0:
        return float("nan")
    return float(_hsic(*kernels) / np.sqrt(norms[0] * norms[1]))


def _without_diagonal(features: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = features - features.mean(axis=0)  # changes nothing in exact arithmetic, but keeps digits
    kernel = centred @ centred.T
    np.fill_diagonal(kernel, 0)
    return np.asarray(kernel)


def _hsic(k: NDArray[np.float64], m: NDArray[np.float64]) -> float:
    n = len(k)
    product = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(0) @ m.sum(0)) / (n - 2)
    return float(product / (n * (n - 3)))
