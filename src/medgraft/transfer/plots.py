"""A search as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

INK, CHOSEN, SOFT = "#333333", "#D55E00", "#888888"
_STYLE = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "medgraft",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def plot_search(record: Mapping[str, Any], path: Path) -> None:
    """Write an SVG: each place's cross-validated loss over its parameters, and how much fine-tuning kept of each depth.

    The same bytes for the same record.
    """
    with matplotlib.style.context(_STYLE):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _losses(left, record)
        _drift(right, record["drift"])
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _losses(axes: Axes, record: Mapping[str, Any]) -> None:
    probes = record["probes"]
    x = [probe["parameters"] / 1e6 for probe in probes]
    y = [probe["cross_validated_loss"] for probe in probes]
    errors = [probe["excess_se"] for probe in probes]
    axes.errorbar(x, y, yerr=errors, fmt="o", color=INK, ecolor=SOFT, ms=3.5, lw=1)
    finalists = {"whole" if name == "full" else name for name in record["finalists"]}
    chosen = "whole" if record["chosen"] == "full" else record["chosen"]
    for at, loss, probe in zip(x, y, probes, strict=True):
        if probe["name"] in finalists:
            colour = CHOSEN if probe["name"] == chosen else INK
            axes.plot([at], [loss], "o", ms=9, mfc="none", mec=colour, mew=1.4)
            axes.annotate(probe["name"], (at, loss), (4, 6), textcoords="offset points", color=colour, fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("parameters of the backbone up to the cut (million)")
    axes.set_ylabel("log loss of a probe, cross-validated in train")
    axes.set_title("Cuts; ringed: fine-tuned, orange: chosen. Bars: SE of the excess over the lowest", fontsize=8)


def _drift(axes: Axes, drift: list[dict[str, Any]]) -> None:
    places = range(len(drift))
    for key, colour, label in (("kept", INK, "fine-tuned"), ("random", SOFT, "random weights")):
        kept = [float("nan") if place[key] is None else place[key] for place in drift]
        axes.plot(places, kept, "o-", ms=3, lw=1, color=colour, label=label)
    axes.set_xticks(list(places), [place["name"] for place in drift], rotation=90, fontsize=6)
    axes.set_ylim(top=1.02)
    axes.set_ylabel("CKA with the pretrained features")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("How much of each depth fine-tuning kept", fontsize=8)
