"""Intervals by the cluster bootstrap: patients, not images, are the unit (Field & Welsh 2007, section 3).

Why the intervals are not plain percentiles, and what they cover: docs/adr/0006.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Bools, Floats, Ints

MAX_UNDEFINED = 0.01
BLOCKS = 200
Counts = NDArray[np.uint16]


@dataclass(frozen=True)
class Interval:
    """A figure and its bootstrap interval.

    `estimate` is None where the figure is undefined. `low`, `high` and `se` (standard error, the figure's unit) are
    None, withheld, where the estimate is, where more than 1 % of the draws are undefined (those left would be a
    selection), and where all draws are the same (no width can be read from them) and no exact bound is known.
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


@dataclass(frozen=True, eq=False)
class Resampling:
    """Weights of n rows under which a figure is computed: row 0 as they are, then the draws, then the jackknife.

    `weights` uint16 [1 + draws + blocks, n]. The last rows leave one block of patients out each. A figure of them all,
    `values` float64 [1 + draws + blocks], holds all that its interval needs.
    """

    weights: Counts
    draws: int

    def rows(self, which: Bools | Ints) -> "Resampling":
        """The same draws, of some rows only."""
        return Resampling(self.weights[:, which], self.draws)

    def drawn(self, values: Floats) -> Floats:
        """The draws of figures [..., 1 + draws + blocks]."""
        return values[..., 1 : 1 + self.draws]

    def interval(self, values: Floats, patients: int | None = None, level: float = 0.95) -> Interval:
        """The interval of a figure.

        Draws that are all 0 or all 1 have no width to read: then the bound is exact for a share of `patients`
        independent patients who all went the same way, and withheld where no such number is given. For an AUROC of 1
        give the patients of the rarer class: as many pairs of a positive and a negative patient share none, so all of
        them are in order with at most AUROC to the power of their number.
        """
        estimate, drawn = float(values[0]), self.drawn(values)
        found = interval(estimate, drawn, values[1 + self.draws :], level)
        if found.low is None or not _same(drawn[~np.isnan(drawn)], estimate).all():
            return found
        bound = ((1 - level) / 2) ** (1 / patients) if patients and estimate in (0, 1) else None
        low, high = (None, None) if bound is None else (bound, 1.0) if estimate == 1 else (0.0, 1 - bound)
        return Interval(estimate, low, high, found.undefined_share, None)

    def difference(self, values: Floats, level: float = 0.95) -> Difference:
        """The interval of a paired difference: `values` are a − b, figures under these same weights.

        Without width where both models are right and wrong on the same patients: no patient drawn tells them apart.
        """
        return _difference(float(values[0]), self.drawn(values), values[1 + self.draws :], level)


def resampling(groups: Ints, draws: int, seed: int) -> Resampling:
    """Bootstrap and jackknife weights of rows whose patients are `groups` [n]; raises as `cluster_weights`."""
    drawn = cluster_weights(groups, draws, seed)
    plain = np.ones((1, len(groups)), dtype=np.uint16)
    return Resampling(np.concatenate([plain, drawn, left_out_weights(groups)]), draws)


def cluster_weights(groups: Ints, draws: int, seed: int) -> Counts:
    """Bootstrap weights [draws, n]: how often each row's group was drawn, G of G groups with replacement.

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


def left_out_weights(groups: Ints) -> Counts:
    """Jackknife weights [blocks, n]: each leaves one patient out, or a block of them where there are over 200.

    The acceleration does not depend on the size of a block; the degrees of freedom are 199 then, at most, by which an
    interval is less than 1 % wider.
    """
    names, group = np.unique(groups, return_inverse=True)
    blocks = min(len(names), BLOCKS)
    return np.asarray(group % blocks != np.arange(blocks)[:, None], dtype=np.uint16)


def interval(estimate: float, draws: Floats, left_out: Floats | None = None, level: float = 0.95) -> Interval:
    """The interval of an estimate from bootstrap draws [draws] and jackknife values [blocks] (NaN: undefined).

    Bias-corrected and accelerated (Efron 1987, JASA 82:171), at quantiles of t instead of the normal distribution.
    Without jackknife values it is the plain percentile interval.
    """
    defined = draws[~np.isnan(draws)]
    undefined_share = float(np.isnan(draws).mean())
    known = None if np.isnan(estimate) else float(estimate)
    if known is None or withheld(draws):
        return Interval(known, None, None, undefined_share, None)
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.quantile(defined, [_where(tail, estimate, defined, left_out) for tail in tails])
    return Interval(known, float(low), float(high), undefined_share, float(defined.std(ddof=1)))


def withheld(draws: Floats) -> bool:
    """Whether too few of the draws are defined (NaN: undefined) to state an interval."""
    return bool(np.isnan(draws).mean() > MAX_UNDEFINED)


def _difference(estimate: float, draws: Floats, left_out: Floats | None, level: float) -> Difference:
    two_sided = interval(estimate, draws, left_out, level)
    if two_sided.low is None:
        return Difference(**asdict(two_sided), lower_one_sided=None)
    defined = draws[~np.isnan(draws)]
    lower = np.quantile(defined, _where(1 - level, estimate, defined, left_out))
    return Difference(**asdict(two_sided), lower_one_sided=float(lower))


def _where(tail: float, estimate: float, draws: Floats, left_out: Floats | None) -> float:
    """The quantile of the draws at which the bound with `tail` below it lies."""
    if left_out is None:
        return tail
    tied = _same(draws, estimate)
    below = ((draws < estimate) & ~tied).mean() + tied.mean() / 2
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    acceleration, freedom = _shape(left_out)
    # Hesterberg 2015 (The American Statistician 69:371, section 3.3): the bootstrap's spread is too small by
    # (n − 1) / n, and normal quantiles take a variance from few patients for known.
    reach = bias + np.sqrt((freedom + 1) / freedom) * stdtrit(freedom, tail)
    bend = 1 - acceleration * reach
    return float(ndtr(bias + reach / bend)) if bend > 0 else float(tail > 0.5)


def _same(draws: Floats, estimate: float) -> Bools:
    """Which draws are the estimate, but for rounding: figures of counts are often tied."""
    return np.asarray(np.abs(draws - estimate) <= 1e-12 * max(1.0, abs(estimate)), dtype=np.bool_)


def _shape(left_out: Floats) -> tuple[float, float]:
    """Acceleration, and the degrees of freedom of the variance, from jackknife values.

    Efron & Tibshirani 1993, equation 14.15. The variance is a mean of squared influences, whose own spread follows from
    their kurtosis k: as much as that of a normal sample's variance with 2 n / (k − 1) degrees of freedom (as
    Satterthwaite 1946). So twenty positive patients among eighty others count as about twenty.
    """
    defined = left_out[~np.isnan(left_out)]
    n = len(defined)
    if n < 3 or (defined == defined[0]).all():
        return 0.0, max(1.0, n - 1.0)
    influence = defined.mean() - defined
    squares = (influence**2).sum()
    # 0 where all influences are as large, of either sign: rounding must not make that a number of degrees below 0.
    excess = max(n * (influence**4).sum() / squares**2 - 1, 1e-9)
    return float((influence**3).sum() / (6 * squares**1.5)), float(min(2 * n / excess, n - 1))
