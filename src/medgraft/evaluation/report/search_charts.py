"""The charts of a search for a cut."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medgraft.charts import draw_drift, draw_losses
from medgraft.evaluation.report.formats import number
from medgraft.evaluation.report.svg import drawing, svg


def losses(
    probes: Sequence[Mapping[str, Any]], finalists: Mapping[str, bool], identifier: str, candidate: str
) -> Markup:
    """As `charts.draw_losses`, with its numbers for those who hear them."""
    with drawing(4.8, 3.2) as axes:
        draw_losses(axes, probes, finalists)
        pairs = ", ".join(f"{probe['name']} {number(probe['cross_validated_loss'])}" for probe in probes)
        return svg(axes, identifier, f"Search of {candidate}: cross-validated loss of a probe at {pairs}.")


def drift(places: Sequence[Mapping[str, Any]], identifier: str, candidate: str) -> Markup:
    """As `charts.draw_drift`, with its numbers for those who hear them."""
    with drawing(4.8, 3.2) as axes:
        draw_drift(axes, places)
        pairs = ", ".join(f"{place['name']} {number(place['kept'], 2)}" for place in places)
        return svg(axes, identifier, f"Drift in the search of {candidate}: CKA after fine-tuning at {pairs}.")
