"""matplotlib figures as SVG elements inside HTML: the same bytes for the same figure, no id twice in a page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.style
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, PALE = "#333333", "#888888", "#d9d9d9"
# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, without the yellow, which is too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))

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
    with matplotlib.style.context(["default", _STYLE]):  # whatever the user's own style is
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
