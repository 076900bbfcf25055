"""Labels of DICOM files from a table beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.data.readers.dicom_settings import DicomSettings
from medgraft.data.readers.multilabel import truths_of_row
from medgraft.data.readers.reader import Record, split_name
from medgraft.data.readers.table import open_table, rows, text


@dataclass(frozen=True)
class Known:
    """What is known of an image from elsewhere."""

    label: str | None = None
    labels: Mapping[str, int | None] | None = None
    split: str | None = None
    problem: str | None = None


UNLABELLED = Known()
DISAGREEING = Known(problem="rows of the table disagree on its label")


class Labels:
    """The rows of the table, by what they name an image by."""

    def __init__(self, source: Path, settings: DicomSettings) -> None:
        """Read the table; raises `UserError` when it cannot be read, or lacks a column."""
        assert settings.table is not None
        assert settings.join is not None
        findings = settings.labels or []
        wanted = [settings.join.column, settings.label, settings.split, *findings]
        table = open_table(source, settings.table, [column for column in wanted if column is not None])
        self._known: dict[str, Known] = {}
        self._waiting: dict[str, list[str]] = {}
        self._nameless: list[str] = []
        for reference, row in rows(settings.table, table):
            name = text(row[settings.join.column])
            if name is None:
                self._nameless.append(reference)
                continue
            known = _known(row, settings, reference)
            if self._known.setdefault(name, known) != known:
                self._known[name] = DISAGREEING
            self._waiting.setdefault(name, []).append(reference)

    def of(self, name: str | None) -> Known:
        """What the table knows of the image with that name."""
        if name is None:
            return UNLABELLED
        self._waiting.pop(name, None)
        return self._known.get(name, UNLABELLED)

    def unanswered(self) -> Iterator[Record]:
        """A record for each row that named no file which `of` was asked about: its image is not there."""
        for reference in self._nameless:
            yield Record(reference, problem="names no image")
        for references in self._waiting.values():
            for reference in references:
                yield Record(reference, problem="no file for this row")


def _known(row: Mapping[str, Any], settings: DicomSettings, reference: str) -> Known:
    split = split_name(text(row[settings.split]), settings.split_values, reference) if settings.split else None
    if settings.labels is None:
        return Known(text(row[settings.label]) if settings.label else None, None, split)
    labels, problem = truths_of_row(row, settings.labels, settings.uncertain, settings.blank)
    return Known(None, labels, split, problem)
