"""Several rows of one picture: one is left, and the patients they came from are never separated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medgraft.data.labels import Label, combined
from medgraft.data.readers import Record
from medgraft.errors import UserError


@dataclass(frozen=True, slots=True)
class Row:
    """A readable row: where it stands, its content hash, its label (None: unlabelled) and raw group."""

    record: Record
    image_id: str
    label: Label | None
    group: str


@dataclass(frozen=True)
class Conflict:
    """Copies of one image whose labels contradict each other: where they stand, and where its pixels can be read."""

    image_id: str
    references: tuple[str, ...]
    row: Row


@dataclass(frozen=True)
class Resolved:
    """Rows with one left for each image, and which groups are one because they share a picture.

    `duplicates`: (reference, its original); `conflicts`: copies that were all thrown out; `joined`: group → the group
    that stands for it, as far as it is another.
    """

    rows: list[Row]
    duplicates: list[tuple[str, str]]
    conflicts: list[Conflict]
    joined: dict[str, str]

    @property
    def aliases(self) -> dict[str, list[str]]:
        """Group → the other groups it stands for."""
        found: dict[str, list[str]] = {}
        for member in sorted(self.joined):
            found.setdefault(_root(self.joined, member), []).append(member)
        return found

    @property
    def conflicting(self) -> list[tuple[str, str]]:
        """(reference, reason) of every row of a conflict, for the quarantine."""
        return [
            (reference, f"the same pixels carry different labels ({', '.join(same.references)})")
            for same in self.conflicts
            for reference in same.references
        ]


def resolve(rows: Sequence[Row]) -> Resolved:
    """Keep one row of each image: the first that is labelled and that an official split has placed, if any.

    Copies whose labels contradict each other are all thrown out. Groups with a common image become one group (the
    first id in order stands for both), so that no split can separate them. Raises `UserError` when an official split
    has put copies on both sides.
    """
    copies: dict[str, list[Row]] = {}
    for row in rows:
        copies.setdefault(row.image_id, []).append(row)
    kept: list[Row] = []
    duplicates: list[tuple[str, str]] = []
    conflicts: list[Conflict] = []
    joined: dict[str, str] = {}
    for same in copies.values():
        _refuse_straddling(same)
        for row in same[1:]:
            _join(joined, same[0].group, row.group)
        try:
            label = combined([row.label for row in same])
        except ValueError:
            conflicts.append(Conflict(same[0].image_id, tuple(row.record.reference for row in same), same[0]))
            continue
        first = min(same, key=lambda row: (row.label is None, row.record.split is None))  # the first of the best known
        placed = next((row.record.split for row in same if row.record.split not in (None, "unlabelled")), None)
        record, split = first.record, placed or first.record.split
        kept.append(
            replace(first, record=record if split == record.split else replace(record, split=split), label=label)
        )
        duplicates += [(row.record.reference, first.record.reference) for row in same if row is not first]
    return Resolved(_regrouped(kept, joined), duplicates, conflicts, joined)


def join(resolved: Resolved, pairs: Iterable[tuple[int, int]]) -> Resolved:
    """Make the groups of each pair of rows (indices) one; raises `UserError` where an official split separates them."""
    joined = dict(resolved.joined)
    straddling = []
    for i, j in pairs:
        a, b = resolved.rows[i], resolved.rows[j]
        if _placed(a) and _placed(b) and a.record.split != b.record.split:
            straddling.append(f"{a.record.reference} ({a.record.split}) and {b.record.reference} ({b.record.split})")
        _join(joined, a.group, b.group)
    if straddling:
        raise UserError(
            f"{len(straddling)} pairs of images are the same picture (re-encoded or resized) in two official splits, "
            "so the test set would leak:\n"
            + _listed(straddling)
            + "\nremove one of each pair, leave the official split out and let medgraft divide, or, if you have looked "
            "at them and they differ, set dataset.near_duplicates: false, which every report will state"
        )
    return replace(resolved, rows=_regrouped(resolved.rows, joined), joined=joined)


def check_official(rows: Sequence[Row]) -> None:
    """Raise `UserError` naming both rows for every group that an official split puts on two sides."""
    first: dict[str, Row] = {}
    problems = []
    told: set[str] = set()
    for row in rows:
        if not _placed(row):
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
            + _listed([f"{p} are of one patient" for p in problems])
            + "\ncorrect the split column, or leave it out and let medgraft divide by patient"
        )


def _refuse_straddling(same: Sequence[Row]) -> None:
    placed = [row for row in same if _placed(row)]
    for row in placed[1:]:
        first = placed[0]
        if row.record.split != first.record.split:
            raise UserError(
                f"{first.record.reference} ({first.record.split}) and {row.record.reference} ({row.record.split}) "
                "are the same image in two official splits, so the test set would leak; remove one of them"
            )


def _placed(row: Row) -> bool:
    return row.record.split not in (None, "unlabelled")


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"  - {line}" for line in lines[:20]) + ("\n  - …" if len(lines) > 20 else "")


def _regrouped(rows: Sequence[Row], joined: dict[str, str]) -> list[Row]:
    return [replace(row, group=_root(joined, row.group)) if row.group in joined else row for row in rows]


def _root(parent: dict[str, str], group: str) -> str:
    while group in parent:
        group = parent[group]
    return group


def _join(parent: dict[str, str], a: str, b: str) -> None:
    low, high = sorted((_root(parent, a), _root(parent, b)))
    if low != high:
        parent[high] = low
