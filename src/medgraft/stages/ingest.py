"""ingest: a source of images → the dataset artifact, and the sealed test labels apart from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.artifacts import fingerprint, read_card, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.dataset import Item, write_aliases, write_shards
from medgraft.data.division import split_of_rows
from medgraft.data.duplicates import Resolved, Row, check_official, resolve
from medgraft.data.examination import Examination, examine_all, file_digests, read_file
from medgraft.data.identity import GroupKey, group_key
from medgraft.data.images import stored_bytes
from medgraft.data.quality import quality_report
from medgraft.data.readers import ReaderSettings, readers
from medgraft.data.scoring import scored_classes
from medgraft.errors import UserError
from medgraft.params import Dataset, Split
from medgraft.stages import STAGES
from medgraft.stages.agreement import asked
from medgraft.stages.running import produce, read_item
from medgraft.store import Store

UNGROUPED = "No patient column: images of one patient may lie in both train and test, so every figure may be too good."


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
    records = list(reader.read(Path(settings.source), reader_settings))
    if not records:
        raise UserError(f"dataset.source {settings.source} holds no rows; correct it or the reader's settings")
    content = [
        [astuple(replace(record, file=None)), digest]
        for record, digest in zip(records, file_digests(records), strict=True)
    ]
    matters = asked(settings, split) | {
        "key_id": key.key_id,
        "content": fingerprint("source", content, {}, ""),
    }
    code = code_version(STAGES["ingest"].code)
    prints = {kind: fingerprint(kind, matters, {}, code) for kind in ("dataset", "sealed")}

    def build(folders: dict[str, Path]) -> None:
        grouped = reader_settings.grouped and not settings.ungrouped
        examination = examine_all(records, settings, grouped)
        resolved = resolve(examination.rows)
        _refuse_bad_source(len(records), [*examination.quarantined, *resolved.conflicts], settings)
        check_official(resolved.rows)
        _pack(folders, prints, examination, resolved, settings, split, key, reader_settings)

    return produce({"dataset": dataset, "sealed": sealed}, prints, store, build)


def _pack(
    folders: dict[str, Path],
    prints: dict[str, str],
    examination: Examination,
    resolved: Resolved,
    settings: Dataset,
    split: Split,
    key: GroupKey,
    reader_settings: ReaderSettings,
) -> None:
    rows = resolved.rows
    splits = split_of_rows(rows, split, len(settings.classes))
    items = [_item(row, name, key) for row, name in zip(rows, splits, strict=True)]
    records = {row.image_id: row.record for row in rows}

    def read_bytes(item: Item) -> tuple[bytes, str]:
        file = records[item.image_id].file
        assert file is not None
        return stored_bytes(read_file(file), settings.max_pixels)

    columns = reader_settings.subgroup_columns
    write_shards(folders["dataset"], items, read_bytes, settings.classes, columns)
    kept = [examination.images[row.image_id] for row in rows]
    quarantined = [*examination.quarantined, *resolved.conflicts]
    sizes = Counter(row.group for row in rows).values()
    report = quality_report(
        len(examination.rows) + len(examination.quarantined),
        kept,
        quarantined,
        resolved.duplicates,
        resolved.merged_groups,
        sizes,
    )
    write_json(folders["dataset"] / "quality.json", report)
    hidden = {key.group_id(group): [key.group_id(o) for o in others] for group, others in resolved.aliases.items()}
    write_aliases(folders["dataset"], hidden)
    test = sorted((i for i in items if i.split == "test"), key=lambda i: i.image_id)
    facts = _facts(items, settings, key, columns) | {
        "asked": asked(settings, split),
        "channels": max(image.channels for image in kept),
        "test_set": fingerprint("test_set", [[i.image_id, i.label] for i in test], {}, ""),
    }
    write_card(folders["dataset"], "dataset", prints["dataset"], {}, **facts)
    labels = pl.DataFrame(
        {
            "image_id": [i.image_id for i in test],
            "label": [i.label for i in test],
            "source_uri": [i.source_uri for i in test],
        }
    )
    labels.write_parquet(folders["sealed"] / "labels.parquet")
    write_card(folders["sealed"], "sealed", prints["sealed"], {"dataset": prints["dataset"]})


def _item(row: Row, split: str, key: GroupKey) -> Item:
    record = row.record
    return Item(
        image_id=row.image_id,
        group_id=key.group_id(row.group),
        split=split,
        label=row.label,
        subgroups=dict(record.subgroups),
        source_uri=record.reference,
    )


def _facts(items: Sequence[Item], settings: Dataset, key: GroupKey, columns: Sequence[str]) -> dict[str, Any]:
    names = [name for name in ("train", "validation", "test", "unlabelled") if any(i.split == name for i in items)]
    splits = {name: _counts([i for i in items if i.split == name], settings.classes) for name in names}
    problems = [
        f"class '{label}' has no image in {name}"
        for name in ("train", "validation", "test")
        for label in settings.classes
        if splits.get(name, {"labels": {}})["labels"].get(label, 0) == 0
    ]
    groups = {
        name: [{i.group_id for i in items if i.split == name and i.label == c} for c in range(len(settings.classes))]
        for name in ("validation", "test")
    }
    scored, unscored = scored_classes(groups, settings.classes, settings.task == "binary")
    if not scored:
        problems += [f"class '{label}' cannot be scored: {why}" for label, why in unscored.items()]
    if problems:
        raise UserError(
            "the splits are too small to train and choose on:\n"
            + "\n".join(f"  - {p}" for p in problems)
            + "\nadd patients, merge classes, or give split.validation and split.test larger shares"
        )
    return {
        "name": settings.name,
        "task": settings.task,
        "classes": settings.classes,
        "scored": scored,
        "unscored": unscored,
        "key_id": key.key_id,
        "warnings": [UNGROUPED] if settings.ungrouped else [],
        "splits": splits,
        "subgroups": list(columns),
    }


def _counts(items: Sequence[Item], classes: Sequence[str]) -> dict[str, Any]:
    labels = Counter(i.label for i in items)
    return {
        "images": len(items),
        "groups": len({i.group_id for i in items}),
        "labels": {name: labels[index] for index, name in enumerate(classes)},
    }


def _refuse_bad_source(rows: int, quarantined: Sequence[tuple[str, str]], settings: Dataset) -> None:
    share = len(quarantined) / rows
    if share > settings.max_quarantined:
        listed = "\n".join(f"  - {where}: {why}" for where, why in quarantined[:20])
        more = "\n  - …" if len(quarantined) > 20 else ""
        raise UserError(
            f"{len(quarantined)} of {rows} rows ({share:.1%}) are quarantined, more than dataset.max_quarantined = "
            f"{settings.max_quarantined:.0%}:\n{listed}{more}\n"
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
        lines.append(f"  {name}: {split['images']} images of {split['groups']} patients ({labels})")
    lines += [f"  not scored: {label}: {why}" for label, why in card["unscored"].items()]
    lines += [f"  warning: {warning}" for warning in card["warnings"]]
    return lines
