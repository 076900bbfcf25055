"""Reader `manifest`: a CSV or Parquet table with a row an image."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from medgraft.data.readers.files import inside, located
from medgraft.data.readers.multilabel import MultilabelSettings, Truths, truths_of_list, truths_of_row
from medgraft.data.readers.reader import Reader, Record, readers, split_name
from medgraft.data.readers.table import date, open_table, refuse_secrets, rows, text

COLUMN = re.compile(r"\{([^{}]+)\}")


class ManifestSettings(MultilabelSettings):
    """Which table, and what its columns mean."""

    # `labels` is what every reader tells its classes by, so the setting of that name needs another one inside.
    model_config = ConfigDict(populate_by_name=True)

    table: str = Field(description="CSV or Parquet file, relative to the source.")
    path: str = Field(
        description="Image file, relative to the source: a column, or a pattern like `images/{image_id}.png`."
    )
    label: str | None = Field(None, description="Column with the label.")
    findings: list[str] | None = Field(
        None,
        alias="labels",
        min_length=1,
        validate_default=True,
        description="Multilabel: a column a class, of 1, 0, -1 (uncertain) or nothing; with `separator`, the classes.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        validate_default=True,
        description="What stands between the classes where the column `label` lists those that are present: `|`.",
    )
    negative: str | None = Field(
        None, description="With `separator`: the word that says that no class is present, `No Finding`."
    )
    group: str | None = Field(
        None, description="Column with the patient (or lesion): the rows of one never straddle splits."
    )
    study: str | None = Field(None, description="Column with the study (examination) within the patient.")
    split: str | None = Field(None, description="Column with an official split; empty cells are divided by us.")
    split_values: dict[str, str] = Field(
        default_factory=dict, description="What values of the split column mean, e.g. `{val: validation}`."
    )
    subgroups: list[str] = Field(
        default_factory=list,
        description="Columns kept for reports on subgroups; nothing else of the table is kept but `dates`.",
    )
    dates: list[str] = Field(
        default_factory=list, description="Columns kept that hold dates (ISO 8601; any other cell is dropped)."
    )

    @field_validator("path")
    @classmethod
    def _whole_braces(cls, path: str) -> str:
        if set("{}") & set(COLUMN.sub("", path)):
            raise ValueError("each pair of braces must hold the name of a column")
        return path

    @field_validator("findings")
    @classmethod
    def _some_label(cls, columns: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if columns is None and info.data.get("label") is None:
            raise ValueError("name the column with the label in `label`, or a column a class in `labels`")
        if len(set(columns or [])) < len(columns or []):
            raise ValueError("names a column twice")
        return columns

    @field_validator("separator")
    @classmethod
    def _one_way(cls, separator: str | None, info: ValidationInfo) -> str | None:
        named = [info.data.get(name) is not None for name in ("label", "findings")]
        if separator is None and all(named):
            raise ValueError("`label` and `labels` exclude each other, unless a separator says how `label` lists them")
        if separator is not None and not all(named):
            raise ValueError("needs the column in `label` and the classes in `labels`")
        return separator

    @field_validator("negative")
    @classmethod
    def _no_class(cls, negative: str | None, info: ValidationInfo) -> str | None:
        if negative is not None and info.data.get("separator") is None:
            raise ValueError("means something with `separator` only")
        if negative in (info.data.get("findings") or []):
            raise ValueError("is among `labels`; take it out there")
        return negative

    @field_validator("subgroups", "dates")
    @classmethod
    def _nothing_secret(cls, kept: list[str], info: ValidationInfo) -> list[str]:
        refuse_secrets(kept, info.data)
        path = info.data.get("path", "")
        if {path, *COLUMN.findall(path)} & set(kept):
            raise ValueError("file names may tell who a patient is; take the column of `path` out")
        return kept

    @field_validator("dates")
    @classmethod
    def _dates_once(cls, dates: list[str], info: ValidationInfo) -> list[str]:
        if set(dates) & set(info.data.get("subgroups", [])):
            raise ValueError("a column is among `subgroups`, too, and would be kept as it is; take it out there")
        return dates

    @property
    def grouped(self) -> bool:
        """Whether there is a patient column."""
        return self.group is not None

    @property
    def labels(self) -> list[str] | None:
        """The classes that have truths of their own; None where each image has one class."""
        return self.findings

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along, dates among them."""
        return [*self.subgroups, *self.dates]

    @property
    def date_columns(self) -> list[str]:
        """Those of them that hold dates."""
        return self.dates

    @property
    def path_columns(self) -> list[str]:
        """Columns that the path is made of."""
        return COLUMN.findall(self.path_pattern)

    @property
    def path_pattern(self) -> str:
        """`path` as a pattern, also when it is a column."""
        return self.path if "{" in self.path else "{" + self.path + "}"


def read(source: Path, settings: ManifestSettings) -> Iterator[Record]:
    """A record for each row of the table, in its order; raises `UserError` for columns that don't exist."""
    columns = [settings.label, settings.group, settings.study, settings.split, *settings.path_columns, *settings.dates]
    if settings.separator is None:
        columns += settings.labels or []
    wanted = [column for column in columns if column is not None]
    table = open_table(source, settings.table, wanted, numbers=settings.subgroups)
    for reference, row in rows(settings.table, table):
        content, problem = located(_file(source, row, settings))
        labels, bad_label = _truths(row, settings)
        cells = {column: text(row[column]) for column in wanted}
        yield Record(
            reference=reference,
            content=content,
            label=cells[settings.label] if settings.label and settings.labels is None else None,
            labels=labels,
            group=cells[settings.group] if settings.group else None,
            study=_study(cells, settings),
            split=split_name(cells[settings.split], settings.split_values, reference) if settings.split else None,
            subgroups={column: row[column] for column in settings.subgroups}
            | {column: date(row[column]) for column in settings.dates},
            problem=problem or bad_label,
        )


def _file(source: Path, row: Mapping[str, Any], settings: ManifestSettings) -> Path | None:
    if any(row[column] is None for column in settings.path_columns):
        return None
    return inside(source, COLUMN.sub(lambda found: str(row[found[1]]), settings.path_pattern))


def _truths(row: Mapping[str, Any], settings: ManifestSettings) -> Truths:
    if settings.labels is None:
        return None, None
    if settings.separator is None or settings.label is None:
        return truths_of_row(row, settings.labels, settings.uncertain, settings.blank)
    named = (text(row[settings.label]) or "").split(settings.separator)
    return truths_of_list(named, settings.labels, settings.negative, settings.blank)


def _study(cells: Mapping[str, str | None], settings: ManifestSettings) -> str | None:
    """With the patient before it, for many sources count each patient's studies from one."""
    study = cells[settings.study] if settings.study else None
    group = cells[settings.group] if settings.group else None
    return f"{group}/{study}" if study and group else study


readers.add("manifest", Reader(ManifestSettings, read))
