"""How figures look, and a search for a cut as a picture: the same whatever a user's own matplotlib settings are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

INK, SOFT, PALE = "#333333", "#888888", "#d9d9d9"
# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, without the yellow, which is too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CHOSEN = COLOURS[1]
NAMED = 20  # so many names of places fit under an axis

_STYLE = {
    # Charts hold no text of a user's (names stand in HTML legends), so nothing of it may be read as mathematics.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "medgraft",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


@contextmanager
def styled() -> Iterator[None]:
    """Figures made and saved inside look as ours do."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def draw_losses(axes: Axes, probes: Sequence[Mapping[str, Any]], finalists: Mapping[str, bool]) -> None:
    """Each place's cross-validated loss over its parameters, with the SE of its excess; finalists are ringed.

    `finalists`: whether it was chosen, by place.
    """
    x = [probe["parameters"] / 1e6 for probe in probes]
    y = [probe["cross_validated_loss"] for probe in probes]
    errors = [probe["excess_se"] for probe in probes]
    axes.errorbar(x, y, yerr=errors, fmt="o", color=INK, ecolor=SOFT, markersize=3.5, linewidth=1)
    for at, loss, error, probe in zip(x, y, errors, probes, strict=True):
        if probe["name"] in finalists:
            colour = CHOSEN if finalists[probe["name"]] else INK
            axes.plot([at], [loss], "o", markersize=9, mfc="none", mec=colour, mew=1.4)
            top = (at, loss + error)
            axes.annotate(probe["name"], top, (0, 8), textcoords="offset points", ha="center", color=colour, fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # its own would be mathematics
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("parameters up to the cut (million, logarithmic)")
    axes.set_ylabel("log loss of the probe")


def draw_drift(axes: Axes, places: Sequence[Mapping[str, Any]]) -> None:
    """CKA of each depth's features with the pretrained ones: after fine-tuning, and of random weights (dotted).

    What is None is not drawn.
    """
    depth = range(len(places))
    kept, random = (np.array([place[key] for place in places], dtype=np.float64) for key in ("kept", "random"))
    axes.plot(depth, random, "o:", color=SOFT, markersize=3, linewidth=1.2)
    axes.plot(depth, kept, "o-", color=COLOURS[0], markersize=3.5, linewidth=1.5)
    # From the end, so that the whole network is among those that are named.
    shown = list(reversed(depth))[:: ceil(len(places) / NAMED)]
    axes.set_xticks(shown, [places[i]["name"] for i in shown], rotation=90, fontsize=7)
    axes.set_ylim(np.nanmin([kept, random], initial=0.0) - 0.03, 1.03)
    axes.set_ylabel("CKA with the pretrained features")
