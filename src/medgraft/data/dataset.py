"""The dataset artifact: Parquet shards in the `datasets` library's layout, readable by anything, unaided."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from medgraft.artifacts import Card, read_card, read_json, write_json
from medgraft.data.labels import Label, known
from medgraft.data.threads import mapped
from medgraft.errors import UserError
from medgraft.params import Task

ALIASES = "aliases.json"
ROWS_A_SHARD = 5_000
ROWS_A_GROUP = 500
BYTES_A_GROUP = 64_000_000  # a row group is in memory whole, both when it is written and when it is read


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a dataset, but for its bytes; `phash`: perceptual hash, 16 hex digits, None for volumes."""

    image_id: str
    group_id: str
    study_id: str | None
    split: str
    label: Label | None
    phash: str | None
    subgroups: dict[str, Any]
    source_uri: str


def write_shards(
    folder: Path,
    items: Sequence[Item],
    read_bytes: Callable[[Item], tuple[bytes, str]],
    task: Task,
    classes: Sequence[str],
    subgroup_columns: Sequence[str],
) -> None:
    """Write `data/<split>-00000-of-0000N.parquet`, rows sorted by image id.

    Test labels are written as null: they are sealed elsewhere. `read_bytes` gives an item's stored bytes and
    extension, and is called by several threads; bytes are never all in memory.
    """
    schema = _schema(items, task, classes, subgroup_columns)
    for split in sorted({item.split for item in items}):
        members = sorted((i for i in items if i.split == split), key=lambda i: i.image_id)
        shards = [members[i : i + ROWS_A_SHARD] for i in range(0, len(members), ROWS_A_SHARD)]
        for number, shard in enumerate(shards):
            path = folder / "data" / f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=["split"]) as writer:
                stored = zip(shard, mapped(read_bytes, shard), strict=True)
                for rows in _row_groups(_row(item, raw, label_column(task)) for item, raw in stored):
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def read_rows(folder: Path, splits: Sequence[str] | None = None) -> pl.DataFrame:
    """Every column but the images, sorted by split and image id."""
    read_card(folder, "dataset")
    frames = [pl.read_parquet(path, columns=_but_image(path)) for path in _shards(folder, splits)]
    return pl.concat(frames).sort("split", "image_id")


def read_images(folder: Path, splits: Sequence[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """(image id, stored bytes) of every row, in the order of `read_rows`, a row group in memory at a time."""
    for path in _shards(folder, splits):
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                for row in file.read_row_group(number, columns=["image_id", "image"]).to_pylist():
                    yield row["image_id"], row["image"]["bytes"]


def label_column(task: Task) -> str:
    """`label` holds one class index; `labels` a 1, 0 or null for every class."""
    return "labels" if task == "multilabel" else "label"


def read_labels(rows: pl.DataFrame) -> list[Label | None]:
    """The labels of rows as `read_rows` gives them; None where nothing is known (or the label is sealed)."""
    if "labels" not in rows.columns:
        return rows["label"].to_list()
    found = [None if value is None else tuple(value) for value in rows["labels"].to_list()]
    return [label if known(label) else None for label in found]


def write_sealed(folder: Path, items: Sequence[Item], task: Task) -> None:
    """Write the labels of test items, and where their rows stand in the source."""
    kind = pl.List(pl.Int8) if task == "multilabel" else pl.Int64
    columns = {
        "image_id": pl.Series([i.image_id for i in items], dtype=pl.String),
        label_column(task): pl.Series([i.label for i in items], dtype=kind),
        "source_uri": pl.Series([i.source_uri for i in items], dtype=pl.String),
    }
    pl.DataFrame(columns).write_parquet(folder / "labels.parquet")


def read_sealed(folder: Path) -> dict[str, Label]:
    """Test labels by image id. Only commands that open a test set may call this."""
    read_card(folder, "sealed")
    table = pl.read_parquet(folder / "labels.parquet")
    labels = read_labels(table)
    return {image_id: label for image_id, label in zip(table["image_id"], labels, strict=True) if label is not None}


def write_aliases(folder: Path, aliases: Mapping[str, Sequence[str]]) -> None:
    """Keep the HMAC ids of patients that were made one because they share an image: group id → the other ids."""
    write_json(folder / ALIASES, {group: sorted(others) for group, others in sorted(aliases.items())})


def patients(folder: Path, splits: Sequence[str]) -> set[str]:
    """HMAC ids of every patient in those splits, those merged into another included."""
    groups = set(read_rows(folder, splits)["group_id"])
    aliases: dict[str, list[str]] = read_json(folder / ALIASES)
    return groups | {other for group, others in aliases.items() if group in groups for other in others}


def dataset_card(folder: Path) -> Card:
    """The card of a dataset artifact."""
    return read_card(folder, "dataset")


def _shards(folder: Path, splits: Sequence[str] | None) -> list[Path]:
    paths = sorted((folder / "data").glob("*.parquet"))
    chosen = [p for p in paths if splits is None or p.name.split("-")[0] in splits]
    if not chosen:
        raise UserError(f"{folder} holds no images for {splits or 'any split'}; run `medgraft ingest` again")
    return chosen


def _but_image(path: Path) -> list[str]:
    return [name for name in pq.read_schema(path).names if name != "image"]


def _row_groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row["image"]["bytes"])
        if len(group) == ROWS_A_GROUP or size >= BYTES_A_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _row(item: Item, stored: tuple[bytes, str], label: str) -> dict[str, Any]:
    raw, extension = stored
    return {
        "image": {"bytes": raw, "path": f"{item.image_id}.{extension}"},
        "image_id": item.image_id,
        "group_id": item.group_id,
        "study_id": item.study_id,
        "split": item.split,
        label: None if item.split == "test" else item.label,
        "phash": item.phash,
        **item.subgroups,
        # Rows may stand in the order of their labels, so a test row's place would tell its label: sealed, too.
        "source_uri": None if item.split == "test" else item.source_uri,
    }


def _schema(items: Sequence[Item], task: Task, classes: Sequence[str], subgroup_columns: Sequence[str]) -> pa.Schema:
    kinds = {name: _kind([item.subgroups[name] for item in items]) for name in subgroup_columns}
    fields = [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("image_id", pa.string()),
        pa.field("group_id", pa.string()),
        pa.field("study_id", pa.string()),
        pa.field("split", pa.string()),
        pa.field(label_column(task), pa.list_(pa.int8()) if task == "multilabel" else pa.int64()),
        pa.field("phash", pa.string()),
        *(pa.field(name, kind) for name, kind in kinds.items()),
        pa.field("source_uri", pa.string()),
    ]
    # https://huggingface.co/docs/datasets/about_dataset_features: how `datasets` finds Image and ClassLabel
    features: dict[str, Any] = {f.name: {"dtype": str(f.type), "_type": "Value"} for f in fields}
    features["image"] = {"_type": "Image" if all(item.phash for item in items) else "Nifti"}
    if task == "multilabel":
        features["labels"] = {"feature": {"dtype": "int8", "_type": "Value"}, "_type": "List"}
    else:
        features["label"] = {"names": list(classes), "_type": "ClassLabel"}
    features |= {n: {"dtype": "float64", "_type": "Value"} for n, k in kinds.items() if k == pa.float64()}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _kind(values: Sequence[Any]) -> pa.DataType:
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, int) and not isinstance(v, bool) for v in present):
        return pa.int64()
    if present and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present):
        return pa.float64()
    return pa.string()
