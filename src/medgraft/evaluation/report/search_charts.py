"""The charts of a search for a cut."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, NullFormatter

from medgraft.evaluation.report.formats import number
from medgraft.evaluation.report.svg import INK, SOFT, drawing, svg

CHOSEN = "#D55E00"
NAMED = 20  # so many names of places fit under an axis


def losses(
    probes: Sequence[Mapping[str, Any]], finalists: Mapping[str, bool], identifier: str, candidate: str
) -> Markup:
    """Each place's cross-validated loss over its parameters, with the SE of its excess; finalists are ringed.

    `finalists`: whether it was chosen, by place.
    """
    x = [probe["parameters"] / 1e6 for probe in probes]
    y = [probe["cross_validated_loss"] for probe in probes]
    errors = [probe["excess_se"] for probe in probes]
    with drawing(4.8, 3.2) as axes:
        axes.errorbar(x, y, yerr=errors, fmt="o", color=INK, ecolor=SOFT, markersize=3.5, linewidth=1)
        for at, loss, error, probe in zip(x, y, errors, probes, strict=True):
            if probe["name"] in finalists:
                colour = CHOSEN if finalists[probe["name"]] else INK
                axes.plot([at], [loss], "o", markersize=9, mfc="none", mec=colour, mew=1.4)
                top = (at, loss + error)
                axes.annotate(
                    probe["name"], top, (0, 8), textcoords="offset points", ha="center", color=colour, fontsize=8
                )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # its own would be mathematics
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("parameters up to the cut (million, logarithmic)")
        axes.set_ylabel("log loss of the probe")
        pairs = ", ".join(f"{probe['name']} {number(probe['cross_validated_loss'])}" for probe in probes)
        return svg(axes, identifier, f"Search of {candidate}: cross-validated loss of a probe at {pairs}.")


def drift(places: Sequence[Mapping[str, Any]], identifier: str, candidate: str) -> Markup:
    """CKA of each depth's features with the pretrained ones: after fine-tuning, and of random weights (dotted).

    What is None is not drawn.
    """
    depth = range(len(places))
    kept, random = (np.array([place[key] for place in places], dtype=np.float64) for key in ("kept", "random"))
    with drawing(4.8, 3.2) as axes:
        axes.plot(depth, random, "o:", color=SOFT, markersize=3, linewidth=1.2)
        axes.plot(depth, kept, "o-", color="#0072B2", markersize=3.5, linewidth=1.5)
        # From the end, so that the whole network is among those that are named.
        shown = list(reversed(depth))[:: ceil(len(places) / NAMED)]
        axes.set_xticks(shown, [places[i]["name"] for i in shown], rotation=90, fontsize=7)
        axes.set_ylim(min(0.0, float(np.nanmin([kept, random]))) - 0.03, 1.03)
        axes.set_ylabel("CKA with the pretrained features")
        pairs = ", ".join(f"{place['name']} {number(place['kept'], 2)}" for place in places)
        return svg(axes, identifier, f"Drift in the search of {candidate}: CKA after fine-tuning at {pairs}.")
