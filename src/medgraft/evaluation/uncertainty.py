"""Intervals by the cluster bootstrap: patients, not images, are the unit (Field & Welsh 2007, section 3)."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats, Ints

MAX_UNDEFINED = 0.01


@dataclass(frozen=True)
class Interval:
    """A figure and its bootstrap percentile interval.

    `estimate` is None where the figure is undefined. `low`, `high` and `se` (standard error, the figure's unit) are
    None, withheld, where the estimate is, or where more than 1 % of the draws are undefined: the draws that are left
    would be a selection.
    """

    estimate: float | None
    low: float | None
    high: float | None
    undefined_share: float
    se: float | None


@dataclass(frozen=True)
class Difference:
    """A paired difference a − b: an `Interval`, and the lower bound of the one-sided interval of the same level."""

    estimate: float | None
    low: float | None
    high: float | None
    undefined_share: float
    se: float | None
    lower_one_sided: float | None


def cluster_weights(groups: Ints, draws: int, seed: int) -> NDArray[np.uint16]:
    """Bootstrap weights [draws, n]: how often each image's group was drawn, G of G groups with replacement.

    The draws are not stratified by class: how many patients a class has is part of the uncertainty. Draws without a
    class make its figures NaN, and are counted (`Interval.undefined_share`). The weights depend on `groups`, `draws`
    and `seed` alone, so figures from one set of weights are paired.
    Raises `UserError` with fewer than 2 groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise UserError(
            f"Uncertainty cannot be estimated from {len(names)} patient(s): the bootstrap resamples patients. "
            "Add labelled patients to the split."
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    weights = np.empty((draws, len(groups)), dtype=np.uint16)
    for row in weights:
        row[:] = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[group]
    return weights


def interval(estimate: float, draws: Floats, level: float = 0.95) -> Interval:
    """The percentile interval of an estimate from bootstrap draws [draws] (NaN: undefined)."""
    defined = draws[~np.isnan(draws)]
    undefined_share = float(np.isnan(draws).mean())
    known = None if np.isnan(estimate) else float(estimate)
    if known is None or withheld(draws):
        return Interval(known, None, None, undefined_share, None)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(known, float(low), float(high), undefined_share, float(defined.std(ddof=1)))


def paired_difference(a: float, b: float, a_draws: Floats, b_draws: Floats, level: float = 0.95) -> Difference:
    """The difference a − b of two estimates whose draws [draws] come from the same weights.

    Draws in which either is undefined are undefined.
    """
    draws = a_draws - b_draws
    lower = lower_one_sided(draws, level) if not np.isnan(a - b) else None
    return Difference(**asdict(interval(a - b, draws, level)), lower_one_sided=lower)


def lower_one_sided(draws: Floats, level: float = 0.95) -> float | None:
    """The (1 − level) quantile of the draws: the figure lies above it with confidence `level`; None if withheld."""
    return None if withheld(draws) else float(np.quantile(draws[~np.isnan(draws)], 1 - level))


def withheld(draws: Floats) -> bool:
    """Whether too few of the draws are defined (NaN: undefined) to state an interval."""
    return bool(np.isnan(draws).mean() > MAX_UNDEFINED)
