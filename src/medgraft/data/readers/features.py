"""What the footer of a Parquet file says of its columns, the notes of the `datasets` library among it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Features:
    """A file's columns.

    `types`: Arrow's, by column; `names`: of the classes of a ClassLabel column, or of a column of lists of such;
    `volumes`: whether its images are NIfTI; `size`: bytes of all columns, not compressed.
    """

    types: Mapping[str, pa.DataType]
    names: Mapping[str, list[str]]
    volumes: bool
    size: int


def features_of(path: Path, image: str) -> Features:
    """Read the footer of a file; raises what pyarrow does (`ArrowException`, `OSError`) when it is no Parquet."""
    with pq.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
    # Not asked column by column: pyarrow ends the process when the footer's statistics are damaged.
    sizes = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
    notes = _notes(schema.metadata or {})
    return Features(
        types={field.name: field.type for field in schema},
        names={column: names for column in schema.names if (names := _names(notes.get(column)))},
        volumes=notes.get(image, {}).get("_type") == "Nifti",
        size=sum(max(0, size) for size in sizes),
    )


def _notes(metadata: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """The feature of each column that the `datasets` library wrote down; empty where it wrote nothing."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: feature for column, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _names(feature: dict[str, Any] | None) -> list[str]:
    inner = (feature or {}).get("feature", feature)  # a List, and a Sequence of older versions, hold another feature
    names = inner.get("names") if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) else []
