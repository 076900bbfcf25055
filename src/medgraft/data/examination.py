"""Every row of a source is looked at: usable rows go on, the others are quarantined with a reason."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from medgraft.catalog import nearest
from medgraft.data.duplicates import Row
from medgraft.data.images import BadImageError, Examined, examine
from medgraft.data.readers import Record
from medgraft.params import Dataset

Quarantined = tuple[str, str]


@dataclass(frozen=True)
class Examination:
    """Usable rows, what is known of their images (by image id), and the quarantined rows with their reasons."""

    rows: list[Row]
    images: dict[str, Examined]
    quarantined: list[Quarantined]


def file_digests(records: Iterable[Record]) -> list[str]:
    """SHA-256 of each record's file, or "missing"; cheap, so that an unchanged source is not decoded again."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_digest, records))


def examine_all(records: Sequence[Record], dataset: Dataset, grouped: bool) -> Examination:
    """Decode every image and settle its label and its group."""
    rows: list[Row] = []
    images: dict[str, Examined] = {}
    quarantined: list[Quarantined] = []
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda record: _examine(record, dataset, grouped), records)
        for record, outcome in zip(records, found, strict=True):
            if isinstance(outcome, str):
                quarantined.append((record.reference, outcome))
                continue
            label = None if record.label is None else dataset.classes.index(record.label)
            group = record.group if grouped and record.group is not None else outcome.image_id
            rows.append(Row(record, outcome.image_id, label, group))
            images.setdefault(outcome.image_id, outcome)
    return Examination(rows, images, quarantined)


def read_file(path: Path) -> bytes:
    """A file's bytes; raises `BadImageError` when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadImageError("file missing") from error
    except OSError as error:
        raise BadImageError(f"file cannot be read ({type(error).__name__})") from error


def _digest(record: Record) -> str:
    try:
        return sha256(read_file(record.file)).hexdigest() if record.file else "missing"
    except BadImageError:
        return "missing"


def _examine(record: Record, dataset: Dataset, grouped: bool) -> Examined | str:
    if record.problem or record.file is None:
        return record.problem or "no file"
    if record.label is None and dataset.unlabelled == "quarantine":
        return "no label"
    if record.label is not None and record.label not in dataset.classes:
        return f"label not among dataset.classes{nearest(record.label, dataset.classes)}"
    if grouped and record.group is None:
        return "no patient"
    try:
        return examine(read_file(record.file), dataset.max_pixels)
    except BadImageError as reason:
        return str(reason)
