"""Tables: opening one safely, and what stands in its cells."""

import datetime
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.catalog import nearest
from medgraft.data.readers.files import inside
from medgraft.errors import UserError, raise_all

SEPARATORS = (",", "\t", ";")
LONGEST_HEADER = 2**16  # bytes
OLDEST = 120  # years; more is a mistake, like the patient of 411 years in ChestX-ray14
DAYS, WEEKS, MONTHS = 365, 52, 12  # a year


SECRETS = {
    "label": "test labels are sealed",
    "findings": "test labels are sealed",
    "group": "patient ids are never written",
    "study": "ids of studies are never written",
}


def refuse_secrets(kept: Sequence[str], settings: Mapping[str, Any], secrets: Mapping[str, str] = SECRETS) -> None:
    """Raise `ValueError` for a column to keep that `settings` name as one of the secrets (setting → why)."""
    for name, why in secrets.items():
        named = settings.get(name)
        for column in [named] if isinstance(named, str) else named or []:
            if column in kept:
                raise ValueError(f"'{column}' is a column of {name}, and {why}; take it out")
    if len(set(kept)) < len(kept):
        raise ValueError("names a column twice")


def open_table(
    source: Path,
    name: str,
    columns: Iterable[str],
    numbers: Sequence[str] = (),
    also: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The table `name` of the source: Parquet, or text with commas, tabs or semicolons, whichever its header has most.

    Cells of a text table are text or null; the columns `numbers` become numbers where all their cells are. `columns`
    must be there; `also` gives other names that they have in some releases (theirs → ours). Spaces around names of
    columns do not count. Raises `UserError`, which tells nothing of what is in the cells.
    """
    path = inside(source, name)
    if path is None or not path.is_file():
        raise UserError(f"the table '{name}' does not exist in dataset.source; correct dataset.source or its name")
    try:
        table = _read(path)
        table = table.rename({column: column.strip() for column in table.columns})
        here = set(table.columns)
        table = table.rename({old: new for old, new in (also or {}).items() if old in here and new not in here})
        missing = [column for column in dict.fromkeys([*columns, *numbers]) if column not in table.columns]
        narrowed = [_narrow(table[column]) for column in numbers if column not in missing]
    except (pl.exceptions.PolarsError, OSError) as error:  # their messages quote cells, which may name a patient
        raise UserError(
            f"the table '{name}' cannot be read ({type(error).__name__}); save it as CSV in UTF-8, with a header and "
            "no more cells in a row than there"
        ) from None
    problems = [
        f"no column '{column}'{nearest(column, table.columns)}; the table has: {', '.join(table.columns)}"
        for column in missing
    ]
    raise_all(problems, name)
    return table.with_columns(narrowed)


def rows(name: str, table: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each row stands, and its cells by column."""
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        yield f"{name} row {number}", row


def first_of(source: Path, names: Sequence[str]) -> str:
    """The first of the names that is a file of the source; raises `UserError` where none is."""
    for name in names:
        if (source / name).is_file():
            return name
    raise UserError(f"dataset.source has no file {' or '.join(names)}; point it at the folder that has")


def text(cell: Any) -> str | None:  # noqa: ANN401  (a cell of any type)
    """A cell as text without spaces around it; None where nothing is left.

    Whole numbers have no point, though gaps made pandas write a column of them as floats, where NaN is the gap.
    """
    if isinstance(cell, float):
        cell = None if math.isnan(cell) else int(cell) if cell.is_integer() else cell
    return ("" if cell is None else str(cell).strip()) or None


def date(cell: Any) -> str | None:  # noqa: ANN401  (a cell of any type)
    """The day in a cell as YYYY-MM-DD; None where it is no ISO 8601 date: 03/04/2020 may be one of two days."""
    try:
        return datetime.datetime.fromisoformat(text(cell) or "").date().isoformat()
    except ValueError:
        return None


def age(cell: Any) -> int | None:  # noqa: ANN401  (a cell of any type)
    """Whole years in a cell ("61", "80.0", or as in DICOM "058Y", "013M"); None where there are none to believe."""
    found = re.fullmatch(r"(\d{1,4})(?:\.\d*)?([YMWD]?)", text(cell) or "")
    if found is None:
        return None
    years = int(found[1]) // {"M": MONTHS, "W": WEEKS, "D": DAYS}.get(found[2], 1)
    return years if years <= OLDEST else None


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path, glob=False)
    with path.open("rb") as stream:
        header = stream.readline(LONGEST_HEADER)
    separator = max(SEPARATORS, key=lambda sign: header.count(sign.encode()))
    return pl.read_csv(path, separator=separator, infer_schema=False, glob=False)


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
