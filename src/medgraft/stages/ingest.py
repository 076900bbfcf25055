"""ingest: a source of images → the dataset artifact, and the sealed test labels apart from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from medgraft.artifacts import canonical, fingerprint, read_card, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.card import label_facts
from medgraft.data.dataset import Item, write_aliases, write_sealed, write_shards
from medgraft.data.deidentification import check_columns, deidentified
from medgraft.data.division import split_of_rows
from medgraft.data.drift import drift
from medgraft.data.duplicates import Resolved, Row, check_official, join, resolve
from medgraft.data.examination import (
    Examination,
    content_digests,
    examine_all,
    largest,
    pixels,
    stored_bytes,
    white_value,
)
from medgraft.data.identity import GroupKey, group_key
from medgraft.data.images import Pixels
from medgraft.data.near_duplicates import Found, Pictured, find
from medgraft.data.quality import by_reason, look_alikes, quality_report, shown
from medgraft.data.readers import ReaderSettings, Record, readers
from medgraft.data.sources import Source, open_source
from medgraft.data.thumbnails import write_thumbnails
from medgraft.errors import UserError
from medgraft.params import Dataset, Split
from medgraft.stages import STAGES
from medgraft.stages.agreement import asked
from medgraft.stages.running import produce, read_item
from medgraft.store import Store

SOURCES = Path(".medgraft/sources")  # unpacked archives and copies of remote sources
EXAMPLES = 3  # rows that an error shows of each reason


@dataclass(frozen=True)
class Ingestion:
    """What was asked for, and what was found; `groups`: of the rows before near duplicates joined them."""

    settings: Dataset
    split: Split
    reader: ReaderSettings
    key: GroupKey
    source: Source
    examination: Examination
    resolved: Resolved
    near: Found
    groups: list[str]
    white: int | None


def run(plan: Path, dataset: Path, sealed: Path, store: Store) -> str:
    """Read, quarantine, de-identify, de-duplicate, split and pack; returns how the artifacts came about.

    Raises `UserError` when too much is quarantined, when a patient or an image straddles official splits, or
    when a class is missing from a split or none can be scored.
    """
    item = read_item(plan, "ingest")
    settings, split = Dataset(**item["dataset"]), Split(**item["split"])
    key = group_key(settings.group_key)
    reader = readers.get(settings.reader["type"])
    reader_settings = reader.settings(**settings.reader)
    source = open_source(settings.source, SOURCES)
    refused = [Record(reference, problem=why) for reference, why in source.refused]
    records = [*refused, *reader.read(source.path, reader_settings)]
    if not records:
        raise UserError(f"dataset.source {settings.source} holds no rows; correct it or the reader's settings")
    matters = asked(settings, split) | {"key_id": key.key_id, "content": _content(records)}
    code = code_version(STAGES["ingest"].code)
    prints = {kind: fingerprint(kind, matters, {}, code) for kind in ("dataset", "sealed")}

    def build(folders: dict[str, Path]) -> None:
        grouped = reader_settings.grouped and not settings.ungrouped
        examination = examine_all(records, settings, grouped)
        resolved = resolve(examination.rows)
        _refuse_bad_source(len(records), [*examination.quarantined, *resolved.conflicting], settings)
        _refuse_mixed(examination)
        white = white_value(examination.images.values(), settings.white)
        near = _near_duplicates(resolved, examination, settings, white)
        groups = [row.group for row in resolved.rows]
        resolved = join(resolved, [(pair.a, pair.b) for pair in near.verified])
        check_official(resolved.rows)
        columns = {c: [row.record.subgroups.get(c) for row in resolved.rows] for c in reader_settings.subgroup_columns}
        check_columns(columns, [row.record.group or row.group for row in resolved.rows], reader_settings.date_columns)
        found = Ingestion(settings, split, reader_settings, key, source, examination, resolved, near, groups, white)
        _pack(folders, prints, found)

    return produce({"dataset": dataset, "sealed": sealed}, prints, store, build)


def _content(records: Sequence[Record]) -> str:
    """SHA-256 of all rows and their images, row by row, so that no text of them all is in memory."""
    digest = sha256()
    for record, image in zip(records, content_digests(records), strict=True):
        facts = [getattr(record, name) for name in Record.__dataclass_fields__ if name != "content"]
        digest.update(canonical([facts, image]).encode())
    return digest.hexdigest()


def _near_duplicates(resolved: Resolved, examination: Examination, settings: Dataset, white: int | None) -> Found:
    rows = resolved.rows
    if not settings.near_duplicates:
        return Found([], [], False)
    images = [examination.images[row.image_id] for row in rows]

    def load(index: int) -> Pixels:
        content = rows[index].record.content
        assert content is not None
        return pixels(content, images[index], white, settings.max_pixels)

    return find([Pictured(image.phash, image.shape[:2]) for image in images], load)


def _pack(folders: dict[str, Path], prints: dict[str, str], found: Ingestion) -> None:
    settings, rows, images = found.settings, found.resolved.rows, found.examination.images
    splits = split_of_rows(rows, found.split, len(settings.classes))
    items = [_item(row, name, found) for row, name in zip(rows, splits, strict=True)]
    contents = {row.image_id: row.record.content for row in rows}

    def read_bytes(item: Item) -> tuple[bytes, str]:
        content = contents[item.image_id]
        assert content is not None
        return stored_bytes(content, images[item.image_id], found.white, settings.max_pixels)

    columns = found.reader.subgroup_columns
    facts = label_facts(items, settings, found.split)
    write_shards(folders["dataset"], items, read_bytes, settings.task, settings.classes, columns)
    write_json(folders["dataset"] / "quality.json", _quality(folders["dataset"], items, found))
    key, aliases = found.key, found.resolved.aliases
    hidden = {key.group_id(group): [key.group_id(other) for other in others] for group, others in aliases.items()}
    write_aliases(folders["dataset"], hidden)
    test = sorted((i for i in items if i.split == "test"), key=lambda i: i.image_id)
    facts |= {
        "name": settings.name,
        "task": settings.task,
        "classes": settings.classes,
        "key_id": key.key_id,
        "subgroups": list(columns),
        "studies": any(i.study_id is not None for i in items),
        "asked": asked(settings, found.split),
        "dimensions": images[rows[0].image_id].dimensions,
        "channels": max(images[row.image_id].channels for row in rows),
        "white": found.white,
        # Of ids alone: a hash of labels beside public ids could be tried until it fits.
        "test_set": fingerprint("test_set", [i.image_id for i in test], {}, ""),
    }
    write_card(folders["dataset"], "dataset", prints["dataset"], {}, **facts)
    write_sealed(folders["sealed"], test, settings.task)
    write_card(folders["sealed"], "sealed", prints["sealed"], {"dataset": prints["dataset"]})


def _item(row: Row, split: str, found: Ingestion) -> Item:
    record, image = row.record, found.examination.images[row.image_id]
    return Item(
        image_id=row.image_id,
        group_id=found.key.group_id(row.group),
        study_id=None if record.study is None else found.key.group_id(f"study {record.study}"),
        split=split,
        label=row.label,
        phash=None if image.phash is None else f"{image.phash:016x}",
        subgroups=deidentified(record.subgroups, record.group or row.group, found.reader.date_columns, found.key),
        source_uri=record.reference,
    )


def _quality(folder: Path, items: Sequence[Item], found: Ingestion) -> dict[str, Any]:
    """The quality report; thumbnails of the pictures it lists are written into `folder`."""
    examination, resolved = found.examination, found.resolved
    images = [examination.images[row.image_id] for row in resolved.rows]
    listed = look_alikes(found.near, items, found.groups, resolved.conflicts)
    contents = {row.image_id: row.record.content for row in [*resolved.rows, *(c.row for c in resolved.conflicts)]}
    names = {image_id: f"{image_id}.png" for image_id in shown(listed)}

    def load(image_id: str) -> Pixels:
        content = contents[image_id]
        assert content is not None
        return pixels(content, examination.images[image_id], found.white, found.settings.max_pixels)

    if images[0].dimensions == 3:  # a volume has no one picture
        names = {}
    write_thumbnails(folder / "thumbnails", names, load)
    report = quality_report(
        rows=len(examination.rows) + len(examination.quarantined),
        kept=images,
        quarantined=[*examination.quarantined, *resolved.conflicting],
        duplicates=resolved.duplicates,
        merged_groups=sum(len(others) for others in resolved.aliases.values()),
        group_sizes=Counter(row.group for row in resolved.rows).values(),
    )
    columns = found.reader.subgroup_columns
    source = found.source
    return (
        report
        | listed
        | {
            "thumbnails": names,
            "drift": drift(
                [item.split for item in items],
                {column: [item.subgroups[column] for item in items] for column in columns},
                [image.shape[1] for image in images],
                [image.shape[0] for image in images],
                [image.mean * 255 / (found.white or 255) if image.largest else image.mean for image in images],
            ),
            "archive": None
            if source.members is None
            else {"members": source.members, "refused": len(source.refused), "junk": source.junk},
            "white": None if found.white is None else {"value": found.white, "largest": largest(images)},
        }
    )


def _refuse_mixed(examination: Examination) -> None:
    if len({image.dimensions for image in examination.images.values()}) > 1:
        raise UserError("the source holds images and volumes; ingest them as two datasets")


def _refuse_bad_source(rows: int, quarantined: Sequence[tuple[str, str]], settings: Dataset) -> None:
    share = len(quarantined) / rows
    if share > settings.max_quarantined:
        listed = "\n".join(
            f"  - {len(where)} x {reason}: {', '.join(where[:EXAMPLES])}{', …' if len(where) > EXAMPLES else ''}"
            for reason, where in by_reason(quarantined).items()
        )
        raise UserError(
            f"{len(quarantined)} of {rows} rows ({share:.1%}) are quarantined, more than dataset.max_quarantined = "
            f"{settings.max_quarantined:.0%}:\n{listed}\n"
            "repair the source, or raise dataset.max_quarantined if these rows may be lost"
        )


def summary(dataset: Path) -> list[str]:
    """What an ingested dataset holds, in lines for a terminal."""
    card, quality = read_card(dataset, "dataset"), read_json(dataset / "quality.json")
    lines = [
        f"{quality['rows']} rows: {quality['kept']} kept, {len(quality['quarantined'])} quarantined, "
        f"{len(quality['duplicates'])} duplicates dropped"
    ]
    lines += [f"  quarantined: {count} x {reason}" for reason, count in quality["reasons"].items()]
    for name, split in card["splits"].items():
        labels = ", ".join(f"{label} {count}" for label, count in split["labels"].items())
        of = "" if card["asked"]["dataset"]["ungrouped"] else f" of {split['groups']} patients"
        lines.append(f"  {name}: {split['images']} images{of} ({labels})")
    lines += [f"  not scored: {label}: {why}" for label, why in card["unscored"].items()]
    lines += [f"  warning: {warning}" for warning in card["warnings"]]
    return lines
