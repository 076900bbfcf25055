"""Whether two orders of a few things agree, and how often chance alone makes an agreement that far from none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import permutation_test, rankdata

from medgraft.evaluation.arrays import Floats
from medgraft.seeds import derive

DRAWS = 9_999  # of 8 things and more; of fewer every order is looked at


@dataclass(frozen=True)
class Correlation:
    """In [-1, 1], with the two-sided p value of a permutation test, exact for up to 7 pairs."""

    estimate: float
    p: float


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Spearman's rho, equal values sharing their mean rank; None where all of x or y are equal."""
    return _correlation(_rank_differences, x, y)


def kendall(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Kendall's tau-b; None where all of x or y are equal."""
    return _correlation(_directions, x, y)


def _correlation(pairs: Callable[[Floats], Floats], x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Both are one formula over what `pairs` says of every two things (Daniels 1944, Biometrika 33:129)."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    fixed = pairs(np.asarray(y, dtype=np.float64))

    def agreement(values: Floats, axis: int) -> Floats:
        moved = pairs(values)
        size = np.sqrt((moved**2).sum(axis=(-2, -1)) * (fixed**2).sum())
        return np.asarray((moved * fixed).sum(axis=(-2, -1)) / size)

    found = permutation_test(
        (np.asarray(x, dtype=np.float64),),
        agreement,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=DRAWS,
        rng=np.random.Generator(np.random.PCG64(derive("rank correlation"))),
        axis=-1,
    )
    return Correlation(float(found.statistic), float(found.pvalue))


def _rank_differences(values: Floats) -> Floats:
    ranks = rankdata(values, axis=-1)
    return np.asarray(ranks[..., :, None] - ranks[..., None, :])


def _directions(values: Floats) -> Floats:
    return np.asarray(np.sign(values[..., :, None] - values[..., None, :]))
