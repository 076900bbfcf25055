"""Which stratum of a subgroup column each unit is in, as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from medgraft.evaluation.arrays import Floats, Ints

UNKNOWN, MIXED = "unknown", "mixed"
VALUES, BANDS = 6, 6


def strata(values: pl.Series, unit: Ints) -> list[str]:
    """The stratum of each unit, from a column's value of each image [images] and each image's unit (-1: none).

    Numbers with more than 6 values are cut into bands; `unknown` for null; `mixed` where the images of a unit are in
    several strata.
    """
    names = _names(values)
    found: dict[int, str] = {}
    for name, of in zip(names, unit.tolist(), strict=True):
        found[of] = name if found.get(of, name) == name else MIXED
    return [found[of] for of in range(int(unit.max(initial=-1)) + 1)]


def in_order(names: Sequence[str], values: pl.Series) -> list[str]:
    """Those strata that are present, in the order of the column's values, then `mixed`, then `unknown`."""
    known = values.drop_nulls().sort()
    order = [*dict.fromkeys(_names(known)), MIXED, UNKNOWN]
    return [name for name in dict.fromkeys(order) if name in set(names)]


def _names(values: pl.Series) -> list[str]:
    if values.dtype.is_numeric() and values.n_unique() - bool(values.null_count()) > VALUES:
        numbers = values.cast(pl.Float64).to_numpy()
        return [UNKNOWN if text is None else text for text in _bands(numbers)]
    return [UNKNOWN if value is None else _text(value) for value in values.to_list()]


def _bands(numbers: Floats) -> list[str | None]:
    """Bands of one width, 1, 2 or 5 times a power of ten: the smallest of which 6 hold all numbers.

    `40–59` are the whole numbers from 40 to 59; `0.4–<0.6` holds all from 0.4 on that are less than 0.6.
    """
    known = numbers[~np.isnan(numbers)]
    whole = bool((known == np.floor(known)).all())
    low, high = float(known.min()), float(known.max())
    width = next(w for w in _widths(high - low, whole) if np.floor(high / w + 1e-9) - np.floor(low / w + 1e-9) < BANDS)
    # The nudge is for 0.3 / 0.1, which is less than 3.
    return [None if np.isnan(n) else _band(int(np.floor(n / width + 1e-9)), width, whole) for n in numbers]


def _widths(reach: float, whole: bool) -> list[float]:
    power = int(np.floor(np.log10(reach / BANDS)))
    widths = [float(f"{step}e{power + up}") for up in range(3) for step in (1, 2, 5)]
    return [width for width in widths if width >= 1 or not whole]


def _band(index: int, width: float, whole: bool) -> str:
    low, high = index * width, (index + 1) * width
    if whole:
        return f"{low:.0f}–{high - 1:.0f}" if width > 1 else f"{low:.0f}"
    return f"{_text(low)}–<{_text(high)}"


def _text(value: Any) -> str:  # noqa: ANN401  (a cell of any type)
    return f"{value:g}" if isinstance(value, float) else str(value)
