"""Parquet files to read, and the reader asked as params.yaml asks it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel
from tests.data.sources import encoded, noise

from medgraft.data.content import Loaded
from medgraft.data.readers.parquet import read
from medgraft.data.readers.parquet_settings import ParquetSettings
from medgraft.data.readers.reader import Record

LIMIT = 100_000
CLASSES = ClassLabel(names=["healthy", "lesion"])


def asked(**changes: Any) -> ParquetSettings:
    return ParquetSettings.model_validate({"type": "parquet"} | changes)


def read_records(source: Path, **changes: Any) -> list[Record]:
    return list(read(source, ParquetSettings.model_validate(asked(**changes).model_dump())))


def load(record: Record) -> Loaded:
    assert record.content is not None
    return record.content.load(LIMIT)


def images(count: int, seed: int = 0) -> list[dict[str, Any]]:
    return [{"bytes": encoded(noise(seed + number)), "path": f"name{number}.png"} for number in range(count)]


def plain(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
