"""Subgroups as forest plots inside tables: one a class, a row a stratum, all rows over the same axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from medgraft.charts import COLOURS, INK
from medgraft.data.scoring import MIN_GROUPS
from medgraft.evaluation.cautions import FIGURES, below

Facts = Mapping[str, Any]

_WIDTH, _HEIGHT, _MARGIN = 220, 20, 12


@dataclass(frozen=True)
class Stratum:
    """A row: the stratum of `subgroups`, its figures of the class (None: withheld) and which lie below those of all."""

    facts: Facts
    figures: Facts | None
    below: frozenset[str]
    withheld: str
    bar: Markup


@dataclass(frozen=True)
class Forest:
    """One class: the figures of all, their bar, the strata by column, and the axis of AUROC."""

    label: str
    overall: Facts
    bar: Markup
    columns: list[tuple[str, list[Stratum]]]
    axis: Markup

    @property
    def shown(self) -> int:
        """How many strata have figures."""
        return sum(row.figures is not None for _, rows in self.columns for row in rows)

    @property
    def marked(self) -> int:
        """How many have one that lies below that of all."""
        return sum(bool(row.below) for _, rows in self.columns for row in rows)


def forests(subgroups: Sequence[Facts], per_class: Facts, scored: Sequence[str]) -> list[Forest]:
    """A forest a scored class; none without subgroup columns."""
    return [_forest(label, subgroups, per_class[label]) for label in scored] if subgroups else []


def _forest(label: str, subgroups: Sequence[Facts], overall: Facts) -> Forest:
    areas = [overall["auroc"], *(s["figures"][label]["auroc"] for s in subgroups if label in s["figures"])]
    scale = _Scale.over(areas, overall["auroc"]["estimate"])
    columns = [
        (column, [_stratum(label, stratum, overall, scale) for stratum in strata])
        for column, strata in groupby(subgroups, key=lambda stratum: stratum["column"])
    ]
    return Forest(label, overall, scale.bar(overall["auroc"], INK), columns, scale.axis())


def _stratum(label: str, stratum: Facts, overall: Facts, scale: "_Scale") -> Stratum:
    figures = stratum["figures"].get(label)
    if figures is None:
        reason = stratum["withheld"] or f"fewer than {MIN_GROUPS} positive or {MIN_GROUPS} negative patients"
        return Stratum(stratum, None, frozenset(), reason, Markup())
    worse = frozenset(name for name in FIGURES if below(figures[name], overall[name]))
    return Stratum(stratum, figures, worse, "", scale.bar(figures["auroc"], COLOURS[0]))


@dataclass(frozen=True)
class _Scale:
    """From AUROC to pixels; `centre` is the estimate for all, where a line goes through every row."""

    low: float
    high: float
    centre: float | None

    @classmethod
    def over(cls, figures: Sequence[Facts], centre: float | None) -> "_Scale":
        values = [figure[key] for figure in figures for key in ("estimate", "low", "high") if figure[key] is not None]
        lowest = min([*values, 0.9])
        return cls(float(np.floor(10 * lowest) / 10), 1.0, centre)

    def bar(self, figure: Facts, colour: str) -> Markup:
        """A square at the estimate, a line over its interval. The numbers stand beside it."""
        shapes = [] if self.centre is None else [self._line(self.centre, self.centre, 0, _HEIGHT, "#b8c0c8", "2 2")]
        if figure["low"] is not None:
            shapes.append(self._line(figure["low"], figure["high"], _HEIGHT / 2, _HEIGHT / 2, colour, "none"))
        if figure["estimate"] is not None:
            corner = self._x(figure["estimate"]) - 3.5
            square = '<rect x="{:.1f}" y="{}" width="7" height="7" fill="{}"/>'
            shapes.append(Markup(square).format(corner, _HEIGHT / 2 - 3.5, colour))
        return self._drawn(shapes, _HEIGHT)

    def axis(self) -> Markup:
        """Tenths, with their numbers."""
        ticks = np.arange(round(10 * self.low), round(10 * self.high) + 1) / 10
        written = ticks[:: 2 if len(ticks) > 6 else 1]
        shapes = [self._line(self.low, self.high, 1, 1, INK, "none")]
        for tick in written:
            number = '<text x="{:.1f}" y="16" text-anchor="middle" font-size="11" fill="{}">{:.1f}</text>'
            shapes += [self._line(tick, tick, 1, 5, INK, "none"), Markup(number).format(self._x(tick), INK, tick)]
        return self._drawn(shapes, 18)

    def _x(self, value: float) -> float:
        return _MARGIN + (value - self.low) / (self.high - self.low) * (_WIDTH - 2 * _MARGIN)

    def _line(self, start: float, end: float, top: float, bottom: float, colour: str, dash: str) -> Markup:
        shape = '<line x1="{:.1f}" y1="{}" x2="{:.1f}" y2="{}" stroke="{}" stroke-width="1.6" stroke-dasharray="{}"/>'
        return Markup(shape).format(self._x(start), top, self._x(end), bottom, colour, dash)

    def _drawn(self, shapes: Sequence[Markup], height: int) -> Markup:
        start = '<svg class="bar" viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-hidden="true">'
        return Markup(start).format(_WIDTH, height) + Markup("").join(shapes) + Markup("</svg>")
