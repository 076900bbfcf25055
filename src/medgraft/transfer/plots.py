"""A search for a cut as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from medgraft.charts import draw_drift, draw_losses, styled
from medgraft.networks.cuts import WHOLE


def plot_search(record: Mapping[str, Any], path: Path) -> None:
    """Write an SVG: each place's cross-validated loss over its parameters, and how much fine-tuning kept of each depth.

    The same bytes for the same record.
    """
    names = {"full": WHOLE}  # the finalist that is not cut
    finalists = {names.get(name, name): name == record["chosen"] for name in record["finalists"]}
    with styled():
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_losses(left, record["probes"], finalists)
        left.set_title("Cuts; ringed: fine-tuned, orange: chosen. Bars: SE of the excess over the lowest", fontsize=8)
        draw_drift(right, record["drift"])
        right.set_title("How much of each depth fine-tuning kept; dotted: random weights", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
