"""What a reader is: settings, and a function from a source to records in a stable order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from medgraft.catalog import Catalog
from medgraft.errors import UserError
from medgraft.params import Settings

Value = str | int | float | None
SPLITS = ("train", "validation", "test", "unlabelled")


@dataclass(frozen=True)
class Record:
    """One row of a source.

    `reference` says where it stands ("labels.csv row 17") without the name of a file or a person. `group`,
    `split`, `label` are None where the source says nothing; `file` is None with a `problem` when there is no
    image to read.
    """

    reference: str
    file: Path | None
    label: str | None
    group: str | None = None
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
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along for reports on subgroups."""
        return []


@dataclass(frozen=True)
class Reader:
    """A source format: its settings' schema and what reads it (source folder, settings → records)."""

    settings: type[ReaderSettings]
    read: Callable[[Path, Any], Iterator[Record]]


readers: Catalog[Reader] = Catalog("reader", "readers")


def split_name(value: str | None, meanings: Mapping[str, str], reference: str) -> str | None:
    """The split a source's own word means; raises `UserError` for a word that means none."""
    if value is None:
        return None
    split = meanings.get(value, value)
    if split not in SPLITS:
        raise UserError(
            f"{reference}: '{value}' is not a split; say what it means in dataset.reader.split_values, "
            f"e.g. {{{value}: validation}} (splits: {', '.join(SPLITS)})"
        )
    return split
