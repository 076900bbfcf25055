"""Reader `parquet`: tables with the images inside, as the `datasets` library and medgraft itself write them.

The image column is a struct {bytes, path}, or bytes alone; what only has a path lies below the source. Rows are read
forwards once, a few at a time, and the images put where they can be read in any order (`Spill`).
https://huggingface.co/docs/datasets/about_dataset_features tells what the schema says of labels.
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medgraft.catalog import nearest
from medgraft.data.images import ImageBytes
from medgraft.data.readers.features import Features, features_of
from medgraft.data.readers.files import VOLUMES, Located, inside, located
from medgraft.data.readers.multilabel import Truths, truths_of_list, truths_of_row
from medgraft.data.readers.parquet_settings import ParquetSettings
from medgraft.data.readers.reader import Reader, Record, Value, readers, split_name
from medgraft.data.readers.table import date, text
from medgraft.data.spill import Spill
from medgraft.data.volumes import NiftiBytes
from medgraft.errors import UserError, raise_all

BATCH = 16  # rows in memory
BUFFER = 2**20
OTHER_LENGTH = "a list of labels of another length than the reader's labels"


def read(source: Path, settings: ParquetSettings) -> Iterator[Record]:
    """A record for each row; "image n" counts through all files.

    Raises `UserError` for columns that don't exist or differ between files, for files that cannot be read, and for
    lists of whole numbers that are not one for each label.
    """
    paths = _files(source, settings.files)
    folder = source if source.is_dir() else source.parent
    features = [_checked(path, settings, number) for number, path in enumerate(paths, start=1)]
    _same_types(features, settings)
    spill = Spill(sum(found.size for found in features))
    number = 0
    for path, found in zip(paths, features, strict=True):
        split = re.split(r"[-.]", path.name)[0] if settings.split_in_name else None
        for row in _rows(path, settings.columns):
            number += 1
            image = _located(folder, row[settings.image], found.volumes, spill)
            yield _record(f"image {number}", row, image, split, found, settings)


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    # Without these two, whole row groups would be in memory; pages still are (1024 rows, as pyarrow writes them).
    memory = {"buffer_size": BUFFER, "pre_buffer": False}
    with _reading(), pq.ParquetFile(path, page_checksum_verification=True, **memory) as file:
        for batch in file.iter_batches(BATCH, columns=columns):
            yield from batch.to_pylist()


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:  # their messages quote paths and cells
        raise UserError(
            f"a Parquet file of dataset.source cannot be read ({type(error).__name__}); get it again, or leave it out "
            "by dataset.reader.files"
        ) from None


def _files(source: Path, pattern: str) -> list[Path]:
    if source.is_file():
        return [source]
    try:
        found = sorted(path for path in source.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"dataset.reader.files '{pattern}' is no pattern below the source ({error})") from error
    found = [path for path in found if inside(source, str(path.relative_to(source)))]
    if not found:
        raise UserError(f"dataset.source has no file {pattern}; correct it, or dataset.reader.files")
    return found


def _checked(path: Path, settings: ParquetSettings, number: int) -> Features:
    with _reading():
        found = features_of(path, settings.image)
    problems = [
        f"no column '{column}'{nearest(column, found.types)}; the file has: {', '.join(found.types)}"
        for column in settings.columns
        if column not in found.types
    ]
    fits = {settings.image: (_holds_bytes, "{bytes, path} or bytes")}
    fits |= {settings.lists: (_holds_lists, "lists")} if settings.lists else {}
    problems += [
        f"column '{column}' is {found.types[column]}, not {wanted}; name another one"
        for column, (holds, wanted) in fits.items()
        if column in found.types and not holds(found.types[column])
    ]
    raise_all(problems, f"Parquet file {number} of dataset.source")
    return found


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        inner = kind.field("bytes").type if "bytes" in kind.names else kind
        return inner != kind and bool(_holds_bytes(inner) or pa.types.is_null(inner))  # null: every row has a path
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_lists(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _holds_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _same_types(features: list[Features], settings: ParquetSettings) -> None:
    for column in settings.columns:
        types = {str(found.types[column]) for found in features}
        if len(types) > 1:
            raise UserError(
                f"column '{column}' is {' and '.join(sorted(types))} in the files of dataset.source; "
                "leave files of another table out by dataset.reader.files"
            )


def _located(folder: Path, cell: Any, volumes: bool, spill: Spill) -> Located:  # noqa: ANN401  (of any type)
    raw, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    volumes = volumes or str(name).lower().endswith(VOLUMES)
    if raw is not None:
        kept = spill.append(raw)
        return NiftiBytes(kept) if volumes else ImageBytes(kept), None
    return located(inside(folder, str(name))) if name else (None, "no image in the row")


def _record(
    reference: str, row: Mapping[str, Any], image: Located, split: str | None, found: Features, asked: ParquetSettings
) -> Record:
    content, problem = image
    labels, bad_label = _truths(reference, row, found, asked)
    cells = {column: _text(row[column]) for column in (asked.label, asked.group, asked.study, asked.split) if column}
    group, study = cells.get(asked.group or ""), cells.get(asked.study or "")
    return Record(
        reference=reference,
        content=content,
        label=_class(row[asked.label], found.names.get(asked.label)) if asked.label else None,
        labels=labels,
        group=group,
        study=f"{group}/{study}" if study and group else study,
        split=split_name(split or cells.get(asked.split or ""), asked.split_values, reference),
        subgroups={column: _value(row[column]) for column in asked.subgroups}
        | {column: date(row[column]) for column in asked.dates},
        problem=problem or bad_label,
    )


def _truths(reference: str, row: Mapping[str, Any], found: Features, asked: ParquetSettings) -> Truths:
    if asked.findings is None:
        return None, None
    if asked.lists is None:
        return truths_of_row(row, asked.findings, asked.uncertain, asked.blank)
    names, cells, kind = found.names.get(asked.lists), row[asked.lists], found.types[asked.lists].value_type
    if cells is not None and pa.types.is_integer(kind) and not names and len(cells) != len(asked.findings):
        raise UserError(
            f"{reference}: '{asked.lists}' lists {len(cells)} whole numbers for {len(asked.findings)} labels, so they "
            "are not a truth for each; if they number the classes that are present, write them as a list of "
            "ClassLabel, or as their names"
        )
    if cells is not None and len(cells) == 0:
        return dict.fromkeys(asked.findings, 0), None
    if cells is None or names or _holds_text(kind):
        named = [_class(cell, names) or "" for cell in cells or []]
        return truths_of_list(named, asked.findings, asked.negative, asked.blank)
    if len(cells) != len(asked.findings):
        return None, OTHER_LENGTH
    return truths_of_row(dict(zip(asked.findings, cells, strict=True)), asked.findings, asked.uncertain, asked.blank)


def _class(cell: Any, names: list[str] | None) -> str | None:  # noqa: ANN401  (a cell of any type)
    """The name of a class; None for -1, which is the `datasets` library's word for no label."""
    if names and isinstance(cell, int) and cell < len(names):
        return names[cell] if cell >= 0 else None
    return _text(cell)


def _text(cell: Any) -> str | None:  # noqa: ANN401  (a cell of any type)
    """A cell as text: whole numbers without a point, also where gaps made pandas write them as floats."""
    if isinstance(cell, float):
        return None if math.isnan(cell) else str(int(cell)) if cell.is_integer() else str(cell)
    return text(cell)


def _value(cell: Any) -> Value:  # noqa: ANN401  (a cell of any type)
    """A cell as a subgroup's value: numbers as such, all else as text; what is no finite number is unknown."""
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else text(cell)


readers.add("parquet", Reader(ParquetSettings, read))
