"""A report as a reader meets it: its tables, its visible text, its elements."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "wbr", "br", "img"}


@dataclass
class Page(HTMLParser):
    """Parsed on creation. `tables`: rows of cells by the name of their region; `text`: all that is visible.

    Cells that are hidden from screen readers are not among them: charts of the numbers beside them.
    """

    html: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._stack: list[str] = []
        self._region = ""
        self.feed(self.html)
        self.close()
        assert not self._stack, f"not closed: {self._stack}"
        self.text = _squeeze(self.text)
        self.tables = {name: [[_squeeze(cell) for cell in row] for row in rows] for name, rows in self.tables.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect it; open a region, a row or a cell."""
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._stack.append(tag)
        if attributes.get("role") == "region":
            self._region = attributes["aria-label"] or ""
            self.tables[self._region] = []
        elif tag == "tr":
            self.tables[self._region].append([])
        elif tag in ("td", "th") and attributes.get("aria-hidden") != "true":
            self.tables[self._region][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect it."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close it; elements must be nested."""
        assert self._stack.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        if "style" in self._stack or "title" in self._stack or "svg" in self._stack:
            return
        self.text += data
        if "td" in self._stack or "th" in self._stack:
            self.tables[self._region][-1][-1] += data


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
