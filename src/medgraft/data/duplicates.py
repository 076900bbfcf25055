"""Exact duplicates: the same pixels in several rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medgraft.data.readers import Record
from medgraft.errors import UserError


@dataclass(frozen=True)
class Row:
    """A readable row: where it stands, its content hash, class index (None: unlabelled) and raw group."""

    record: Record
    image_id: str
    label: int | None
    group: str


@dataclass(frozen=True)
class Resolved:
    """Rows with one left for each image, what was dropped, and groups that share images made one."""

    rows: list[Row]
    duplicates: list[tuple[str, str]]
    conflicts: list[tuple[str, str]]
    merged_groups: int
    aliases: dict[str, list[str]]


def resolve(rows: Sequence[Row]) -> Resolved:
    """Keep one row of each image: the first that is labelled and that an official split has placed, if any.

    Copies that carry different labels are all thrown out, with the reason. Groups with a common image become
    one group (the first id in order stands for both), so that no split can separate them. Raises `UserError`
    when an official split has put copies on both sides.
    """
    copies: dict[str, list[Row]] = {}
    for row in rows:
        copies.setdefault(row.image_id, []).append(row)
    kept: list[Row] = []
    duplicates: list[tuple[str, str]] = []
    conflicts: list[tuple[str, str]] = []
    parent: dict[str, str] = {}
    for same in copies.values():
        _refuse_straddling(same)
        for row in same[1:]:
            _join(parent, same[0].group, row.group)
        labels = {row.label for row in same if row.label is not None}
        if len(labels) > 1:
            others = ", ".join(row.record.reference for row in same)
            conflicts += [(row.record.reference, f"the same pixels carry different labels ({others})") for row in same]
            continue
        first = min(same, key=lambda row: (row.label is None, row.record.split is None))  # the first of the best known
        placed = next((row.record.split for row in same if row.record.split not in (None, "unlabelled")), None)
        kept.append(replace(first, record=replace(first.record, split=placed or first.record.split)))
        duplicates += [(row.record.reference, first.record.reference) for row in same if row is not first]
    groups = [_root(parent, row.group) for row in kept]
    merged = len({row.group for row in kept}) - len(set(groups))
    rows_out = [Row(row.record, row.image_id, row.label, group) for row, group in zip(kept, groups, strict=True)]
    aliases: dict[str, list[str]] = {}
    for member in sorted(parent):
        aliases.setdefault(_root(parent, member), []).append(member)
    return Resolved(rows_out, duplicates, conflicts, merged, aliases)


def check_official(rows: Sequence[Row]) -> None:
    """Raise `UserError` naming both rows for every group that an official split puts on two sides."""
    first: dict[str, Row] = {}
    problems = []
    told: set[str] = set()
    for row in rows:
        if row.record.split in (None, "unlabelled"):
            continue
        other = first.setdefault(row.group, row)
        if other.record.split != row.record.split and row.group not in told:
            told.add(row.group)
            problems.append(
                f"{other.record.reference} ({other.record.split}) and {row.record.reference} ({row.record.split})"
            )
    if problems:
        raise UserError(
            f"{len(problems)} patients (groups) straddle the official splits, so the test set would leak:\n"
            + "\n".join(f"  - {p} are of one patient" for p in problems[:20])
            + ("\n  - …" if len(problems) > 20 else "")
            + "\ncorrect the split column, or leave it out and let medgraft divide by patient"
        )


def _refuse_straddling(same: Sequence[Row]) -> None:
    placed = [row for row in same if row.record.split not in (None, "unlabelled")]
    for row in placed[1:]:
        first = placed[0]
        if row.record.split != first.record.split:
            raise UserError(
                f"{first.record.reference} ({first.record.split}) and {row.record.reference} ({row.record.split}) "
                "are the same image in two official splits, so the test set would leak; remove one of them"
            )


def _root(parent: dict[str, str], group: str) -> str:
    while group in parent:
        group = parent[group]
    return group


def _join(parent: dict[str, str], a: str, b: str) -> None:
    low, high = sorted((_root(parent, a), _root(parent, b)))
    if low != high:
        parent[high] = low
