"""Reader `manifest`: a CSV or Parquet table with a row an image."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field, ValidationInfo, field_validator

from medgraft.catalog import nearest
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers, split_name
from medgraft.errors import UserError, raise_all

COLUMN = re.compile(r"\{([^{}]+)\}")


class ManifestSettings(ReaderSettings):
    """Which table, and what its columns mean."""

    table: str = Field(description="CSV or Parquet file, relative to the source.")
    path: str = Field(
        description="Image file, relative to the source: a column, or a pattern like `images/{image_id}.png`."
    )
    label: str = Field(description="Column with the label.")
    group: str | None = Field(
        None, description="Column with the patient (or lesion): the rows of one never straddle splits."
    )
    split: str | None = Field(None, description="Column with an official split; empty cells are divided by us.")
    split_values: dict[str, str] = Field(
        default_factory=dict, description="What values of the split column mean, e.g. `{val: validation}`."
    )
    subgroups: list[str] = Field(
        default_factory=list,
        description="Columns kept for reports on subgroups; nothing else of the table is kept.",
    )

    @field_validator("path")
    @classmethod
    def _whole_braces(cls, path: str) -> str:
        if set("{}") & set(COLUMN.sub("", path)):
            raise ValueError("each pair of braces must hold the name of a column")
        return path

    @field_validator("subgroups")
    @classmethod
    def _nothing_secret(cls, subgroups: list[str], info: ValidationInfo) -> list[str]:
        for name, why in (("label", "test labels are sealed"), ("group", "patient ids are never written")):
            if info.data.get(name) in subgroups:
                raise ValueError(f"'{info.data[name]}' is the {name} column, and {why}; take it out")
        if set(COLUMN.findall(info.data.get("path", ""))) & set(subgroups) or info.data.get("path") in subgroups:
            raise ValueError("file names may tell who a patient is; take the column of `path` out")
        return subgroups

    @property
    def grouped(self) -> bool:
        """Whether there is a patient column."""
        return self.group is not None

    @property
    def path_pattern(self) -> str:
        """`path` as a pattern, also when it is a column."""
        return self.path if "{" in self.path else "{" + self.path + "}"

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along."""
        return self.subgroups


def read(source: Path, settings: ManifestSettings) -> Iterator[Record]:
    """A record for each row of the table, in its order; raises `UserError` for columns that don't exist."""
    table = _open(source / settings.table, settings)
    path_columns = _path_columns(settings)
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        reference = f"{settings.table} row {number}"
        file = _file(source, {column: row[column] for column in path_columns}, settings.path_pattern)
        yield Record(
            reference=reference,
            file=file,
            problem=None if file else "the path is empty or leads out of the source",
            label=_text(row[settings.label]),
            group=_text(row[settings.group]) if settings.group else None,
            split=split_name(_text(row[settings.split]), settings.split_values, reference) if settings.split else None,
            subgroups={column: row[column] for column in settings.subgroups},
        )


def _file(source: Path, parts: Mapping[str, Any], pattern: str) -> Path | None:
    if None in parts.values():
        return None
    relative = COLUMN.sub(lambda found: str(parts[found[1]]), pattern)
    return _inside(source, relative) if relative else None


def _open(path: Path, settings: ManifestSettings) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"the table {path} does not exist; correct dataset.source or dataset.reader.table")
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the table {path} cannot be read ({error}); save it as CSV with a header, UTF-8") from error
    wanted = [settings.label, settings.group, settings.split, *settings.subgroups, *_path_columns(settings)]
    problems = [
        f"no column '{column}'{nearest(column, table.columns)}; the table has: {', '.join(table.columns)}"
        for column in dict.fromkeys(wanted)
        if column is not None and column not in table.columns
    ]
    raise_all(problems, settings.table)
    return table.with_columns(_narrow(table[column]) for column in settings.subgroups)


def _narrow(column: pl.Series) -> pl.Series:
    """Whole numbers, or numbers, as such, also where they are text; what is no finite number in them is null."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    if column.dtype == pl.String:
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return whole
    if column.dtype == pl.String or column.dtype.is_float():
        cast = column.cast(pl.Float64, strict=False)
        if cast.null_count() == column.null_count():
            return pl.select(pl.when(cast.is_finite()).then(cast).alias(column.name)).to_series()
    return column.cast(pl.String)


def _path_columns(settings: ManifestSettings) -> list[str]:
    return COLUMN.findall(settings.path_pattern)


def _inside(source: Path, relative: str) -> Path | None:
    path = source / relative.replace("\0", "")  # no file system has names with NUL
    return path if path.resolve().is_relative_to(source.resolve()) else None


def _text(value: Any) -> str | None:  # noqa: ANN401  (a cell of any type)
    text = "" if value is None else str(value).strip()
    return text or None


readers.add("manifest", Reader(ManifestSettings, read))
