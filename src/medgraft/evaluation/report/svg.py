"""matplotlib figures as SVG elements inside HTML: the same bytes for the same figure, no id twice in a page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medgraft.charts import COLOURS, styled

DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))


@dataclass(frozen=True)
class Line:
    """How a candidate or a class is drawn, in every chart and in its legend."""

    colour: str
    dash: tuple[float, ...]
    width: float = 1.3

    @property
    def style(self) -> str | tuple[float, tuple[float, ...]]:
        """matplotlib's word for the dash."""
        return (0, self.dash) if self.dash else "-"

    @property
    def swatch(self) -> Markup:
        """A short piece of the line, for a legend."""
        dash = " ".join(f"{self.width * part:g}" for part in self.dash) or "none"
        return Markup(
            '<svg class="swatch" viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><line x1="1" y1="4" '
            'x2="29" y2="4" stroke="{}" stroke-width="{}" stroke-dasharray="{}"/></svg>'
        ).format(self.colour, max(2.0, self.width), dash)


def line(index: int, width: float = 1.3) -> Line:
    """The index-th line; 28 differ from each other."""
    return Line(COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)], width)


@contextmanager
def drawing(width: float, height: float) -> Iterator[Axes]:
    """Axes of a new figure (inches) in the report's style; render them with `svg` before the block ends."""
    with styled():
        yield Figure(figsize=(width, height), layout="constrained").add_subplot()


def svg(axes: Axes, identifier: str, label: str) -> Markup:
    """The figure of `axes` as an `<svg>`; `identifier` tells its ids from other charts', `label` is for readers."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    text = buffer.getvalue()
    opening = re.search(r"<svg\b[^>]*>", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert opening
    assert box
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{identifier}-", text[opening.end() :])
    start = Markup('<svg role="img" aria-label="{}" viewBox="{}">').format(label, box[1])
    # The body is matplotlib's own, of our numbers and words alone.
    return start + Markup(body.strip().replace("xlink:href", "href"))
