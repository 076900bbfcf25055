"""What a reader is: settings, and a function from a source to records in a stable order."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from medgraft.catalog import Catalog
from medgraft.data.content import Content
from medgraft.errors import UserError
from medgraft.params import Settings

Value = str | int | float | None
SPLITS = ("train", "validation", "test", "unlabelled")
# A cell that may be printed as a word for a split: no name of several words, no number, no date.
WORD = re.compile(r"(?=.*[A-Za-z])(?!(.*\d){3})[A-Za-z0-9_-]{1,12}")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a source.

    `reference` says where it stands ("labels.csv row 17") without the name of a file or a person. `content` is None
    with a `problem` when there is no image to read. `label` is the one class; for multilabel tasks `labels` holds 1
    (present), 0 (absent) or None (unknown) by class, and a class that is left out is unknown. `group`, `study` and
    `split` are None where the source says nothing. `split` is the source's own.
    """

    reference: str
    content: Content | None = None
    label: str | None = None
    labels: Mapping[str, int | None] | None = None
    group: str | None = None
    study: str | None = None
    split: str | None = None
    subgroups: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None


class ReaderSettings(Settings):
    """What every reader is told."""

    type: str = Field(description="Name of the reader.")

    @property
    def grouped(self) -> bool:
        """Whether the reader will know the patient of each image."""
        raise NotImplementedError

    @property
    def labels(self) -> list[str] | None:
        """The classes a multilabel reader gives truths for; None where each image has one class."""
        return None

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along for reports on subgroups."""
        return []

    @property
    def date_columns(self) -> list[str]:
        """Those of them that hold dates (YYYY-MM-DD), to be shifted before anything is written."""
        return []


@dataclass(frozen=True)
class Reader:
    """A source format: its settings' schema and what reads it (folder or file of the source, settings → records)."""

    settings: type[ReaderSettings]
    read: Callable[[Path, Any], Iterator[Record]]


readers: Catalog[Reader] = Catalog("reader", "readers")


def split_name(value: str | None, meanings: Mapping[str, str], reference: str) -> str | None:
    """The split a source's own word means; raises `UserError` for a word that means none.

    The error shows the word only if it is short and plain: the column may be the wrong one, with names of patients.
    """
    if value is None:
        return None
    split = meanings.get(value, value)
    if split not in SPLITS:
        shown = WORD.fullmatch(value) is not None
        what = f"'{value}' is not a split" if shown else "the split is another word (not shown: it may name a patient)"
        raise UserError(
            f"{reference}: {what}; name the right column, or say what its words mean in dataset.reader.split_values, "
            f"e.g. {{{value if shown else 'val'}: validation}} (splits: {', '.join(SPLITS)})"
        )
    return split
