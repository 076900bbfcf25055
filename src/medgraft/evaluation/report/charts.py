"""The charts of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from medgraft.charts import INK, PALE, SOFT
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.report.formats import number
from medgraft.evaluation.report.svg import Line, drawing, svg

Curve = Sequence[Mapping[str, Any]]


def learning_curve(
    name: str, curves: Mapping[str, Curve], lines: Mapping[str, Line], metric: str, identifier: str
) -> Markup:
    """One candidate's metric over the number of training images: the band is the sampling interval, dots are seeds.

    The other candidates' means are drawn pale behind it; all panels of a study have the same axes.
    """
    own, style = curves[name], lines[name]
    with drawing(4.2, 2.9) as axes:
        for other, curve in curves.items():
            if other != name:
                axes.plot(_values(curve, "train_images"), _values(curve, "mean"), color=PALE, linewidth=1)
        x = _values(own, "train_images")
        axes.fill_between(x, _values(own, "low"), _values(own, "high"), color=style.colour, alpha=0.18, linewidth=0)
        axes.plot(x, _values(own, "mean"), color=style.colour, linewidth=1.8, marker="o", markersize=3.5)
        for row in own:
            seeds = np.array(row["seeds"], dtype=np.float64)  # NaN where undefined
            axes.plot(
                np.full(len(seeds), row["train_images"]),
                seeds,
                "o",
                markersize=4.5,
                markerfacecolor="none",
                markeredgecolor=INK,
                mew=0.6,
            )
        _logarithmic(axes, sorted({row["train_images"] for curve in curves.values() for row in curve}))
        axes.set_ylim(_span(curves))
        axes.set_xlabel("training images (logarithmic)")
        axes.set_ylabel(f"{metric} on test")
        means = ", ".join(f"{number(row['mean'])} with {row['train_images']} training images" for row in own)
        return svg(axes, identifier, f"Learning curve of {name}: {metric} on test {means}.")


def roc(curves: Mapping[str, pl.DataFrame], lines: Mapping[str, Line], label: str) -> Markup:
    """Sensitivity over 1 − specificity; `curves` by what the lines stand for, columns x and y."""
    with drawing(4.2, 3.9) as axes:
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (2, 3)))
        for name, points in _thick_last(curves, lines):
            style = lines[name]
            axes.plot(points["x"], points["y"], color=style.colour, linestyle=style.style, linewidth=style.width)
        _unit_square(axes, "1 − specificity", "sensitivity")
        return svg(axes, "roc", label)


def precision_recall(
    curves: Mapping[str, pl.DataFrame], lines: Mapping[str, Line], prevalence: float | None, label: str
) -> Markup:
    """Precision over recall as the step function whose area average precision is, and the prevalence as its floor."""
    with drawing(4.2, 3.9) as axes:
        if prevalence is not None:
            axes.axhline(prevalence, color="#999999", linewidth=0.8, linestyle=(0, (2, 3)))
        for name, points in _thick_last(curves, lines):
            style = lines[name]
            x, y = recall_steps(points)
            axes.step(x, y, where="pre", color=style.colour, linestyle=style.style, linewidth=style.width)
        _unit_square(axes, "recall (sensitivity)", "precision")
        return svg(axes, "pr", label)


def recall_steps(points: pl.DataFrame) -> tuple[Floats, Floats]:
    """Each recall, ascending, and the precision that holds from the next smaller one up to it, each [steps].

    It is the precision at the highest threshold that reaches the recall (Davis & Goadrich 2006: no interpolation).
    The points (columns x: recall, y: precision) stand in the order of their thresholds, either way.
    """
    ascending = points if points["x"][0] <= points["x"][-1] else points.reverse()
    steps = ascending.unique("x", keep="first", maintain_order=True)
    return steps["x"].to_numpy(), steps["y"].to_numpy()


def reliability(bins: pl.DataFrame, name: str, identifier: str) -> Markup:
    """Observed share over mean prediction, with the band of each bin; the diagonal is perfect calibration."""
    predicted, observed = bins["mean_predicted"].to_numpy(), bins["observed"].to_numpy()
    low, high = (_nullable(bins, side) for side in ("low", "high"))
    with drawing(4.0, 3.7) as axes:
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=(0, (2, 3)))
        axes.fill_between(predicted, low, high, color="#0072B2", alpha=0.15, linewidth=0)
        axes.vlines(predicted, low, high, color="#0072B2", linewidth=0.8)
        axes.plot(predicted, observed, color="#0072B2", linewidth=1.5, marker="o", markersize=3.5)
        _unit_square(axes, "mean predicted probability", "observed share")
        pairs = ", ".join(f"{o:.3f} at {p:.3f}" for p, o in zip(predicted, observed, strict=True))
        return svg(axes, identifier, f"Reliability of {name}: observed share at mean prediction: {pairs}.")


def decision_curve(curves: Mapping[str, pl.DataFrame], lines: Mapping[str, Line], name: str, identifier: str) -> Markup:
    """Net benefit over the threshold probability: the first model with its band, the others, and treating all.

    Columns threshold, net_benefit, low, high (null: withheld) and treat_all. Treating none is the line at 0.
    """
    first = next(iter(curves))
    with drawing(4.2, 3.2) as axes:
        axes.axhline(0, color=INK, linewidth=0.8)
        everyone = curves[first]
        axes.plot(everyone["threshold"], everyone["treat_all"], color=SOFT, linewidth=1.1, linestyle=(0, (2, 2)))
        low, high = (_nullable(everyone, side) for side in ("low", "high"))
        axes.fill_between(everyone["threshold"], low, high, color=lines[first].colour, alpha=0.15, linewidth=0)
        for model, points in reversed(list(curves.items())):
            style = lines[model]
            axes.plot(
                points["threshold"],
                _nullable(points, "net_benefit"),
                color=style.colour,
                linestyle=style.style,
                linewidth=style.width,
            )
        axes.set_ylim(*_shown_benefits(curves))
        axes.set_xlim(0, 1)
        axes.set_xlabel("threshold probability")
        axes.set_ylabel("net benefit")
        at = everyone.filter(pl.col("threshold").round(2).is_in([0.1, 0.2, 0.3, 0.5]))
        pairs = ", ".join(
            f"{b:.3f} at {t:g}" for t, b in at.select("threshold", "net_benefit").drop_nulls().iter_rows()
        )
        return svg(axes, identifier, f"Decision curve for {name}: net benefit of the chosen model {pairs}.")


def _shown_benefits(curves: Mapping[str, pl.DataFrame]) -> tuple[float, float]:
    """Treating all falls without end towards a threshold of 1, and so may a model; deep below 0 tells nothing."""
    benefits = np.concatenate([_nullable(points, "net_benefit") for points in curves.values()])
    treat_all = next(iter(curves.values()))["treat_all"].to_numpy()
    tallest = max(0.01, float(np.nanmax([*benefits, *treat_all])))
    return float(np.clip(1.15 * np.nanmin([*benefits, 0.0]), -tallest, -0.3 * tallest)), 1.15 * tallest


def _nullable(table: pl.DataFrame, column: str) -> Floats:
    """A column that may be all null, and then is text in a CSV, with NaN where it is null."""
    return table[column].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _values(curve: Curve, key: str) -> Floats:
    return np.array([np.nan if row[key] is None else row[key] for row in curve], dtype=np.float64)


def _span(curves: Mapping[str, Curve]) -> tuple[float, float]:
    rows = [row for curve in curves.values() for row in curve]
    values = np.concatenate(
        [_values(rows, key) for key in ("mean", "low", "high")]
        + [np.array(row["seeds"], dtype=np.float64) for row in rows]
    )
    if np.isnan(values).all():  # test has one outcome only
        return 0.0, 1.0
    low, high = np.nanmin(values), np.nanmax(values)
    margin = max(0.05 * (high - low), 0.005)
    least = 0.0 if low >= 0 else -1.0  # kappa may be negative
    return max(least, float(low - margin)), min(1.0, float(high + margin))


def _logarithmic(axes: Axes, counts: Sequence[float]) -> None:
    """Ticks at the numbers of images that occur; one too close to the next larger goes without."""
    axes.set_xscale("log")
    shown = [counts[-1]]
    apart = (counts[-1] / counts[0]) ** 0.15
    for count in reversed(counts[:-1]):
        if shown[0] / count >= apart:
            shown.insert(0, count)
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{number:,.0f}" for number in shown])


def _thick_last(curves: Mapping[str, pl.DataFrame], lines: Mapping[str, Line]) -> list[tuple[str, pl.DataFrame]]:
    return sorted(curves.items(), key=lambda item: lines[item[0]].width)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
