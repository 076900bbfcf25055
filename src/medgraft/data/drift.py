"""Drift: whether images of one split, site or device are of another size or brightness than the rest.

A model may learn the site instead of the sign. Standardised mean differences of 0.25 and more are commonly held to be
too large to adjust for (Rubin, Health Serv Outcomes Res Methodol 2:169, 2001; Stuart, Stat Sci 25:1, 2010; the 0.1 of
Austin, Stat Med 28:3083, 2009, is for samples that were matched on purpose).
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from medgraft.data.readers.reader import Value

FLAGGED = 0.25  # standard deviations
LEAST = 20  # images; with fewer, nothing is flagged
ERRORS = 2  # standard errors of no difference that a flagged one exceeds: with few images 0.25 is chance
MOST_VALUES = {str: 20, float: 6}  # of a column of text or of numbers; with more it is not a site or a device


def drift(
    splits: Sequence[str],
    subgroups: Mapping[str, Sequence[Value]],
    widths: Sequence[int],
    heights: Sequence[int],
    intensities: Sequence[float],
) -> list[dict[str, Any]]:
    """A row for each split and each value of the subgroup columns; all arguments go by image.

    `intensities`: mean gray value of each image. `smd` (standardised mean difference) and `ks` (Kolmogorov-Smirnov
    statistic) compare these with the train split's, or with all images that have another value of the column; null
    where there is nothing to compare with. Missing values are "unknown".
    """
    sizes, means = np.stack([np.asarray(widths), np.asarray(heights)]), np.asarray(intensities, dtype=np.float64)
    split = np.array(splits, dtype=np.str_)
    rows = [
        _row("split", name, split == name, (split == "train") & (split != name), sizes, means)
        for name in ("train", "validation", "test", "unlabelled")
        if name in splits
    ]
    for column, values in subgroups.items():
        texts = np.array(["unknown" if value is None else str(value) for value in values], dtype=np.str_)
        if _strata(values):
            rows += [_row(column, str(name), texts == name, texts != name, sizes, means) for name in np.unique(texts)]
    return rows


def _strata(values: Sequence[Value]) -> bool:
    present = {value for value in values if value is not None}
    text = any(isinstance(value, str) for value in present)
    return 0 < len(present) <= MOST_VALUES[str if text else float]


def _row(
    column: str,
    value: str,
    mine: NDArray[np.bool_],
    others: NDArray[np.bool_],
    sizes: NDArray[np.int64],
    means: NDArray[np.float64],
) -> dict[str, Any]:
    own, rest = means[mine], means[others]
    compared = min(len(own), len(rest)) > 1
    smd = _standardised_difference(own, rest) if compared else None
    chance = ERRORS * float(np.sqrt(1 / len(own) + 1 / max(len(rest), 1)))
    return {
        "column": column,
        "value": value,
        "images": len(own),
        "width": float(median(sizes[0, mine].tolist())),
        "height": float(median(sizes[1, mine].tolist())),
        "intensity_mean": float(own.mean()),
        "intensity_sd": float(own.std(ddof=1)) if len(own) > 1 else 0.0,
        "smd": smd,
        "ks": float(ks_2samp(own, rest, method="asymp").statistic) if compared else None,
        "flag": smd is not None and len(own) >= LEAST and abs(smd) >= max(FLAGGED, chance),
    }


def _standardised_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Difference of the means in standard deviations (the root of the mean variance); None where nothing varies."""
    spread = float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    return float(a.mean() - b.mean()) / spread if spread else None
