"""Which split each image goes to: the source's own word where it has one, else ours, by whole patients."""

from collections.abc import Sequence

from medgraft.data.duplicates import Row
from medgraft.data.splits import divide, label_counts
from medgraft.params import Split


def split_of_rows(rows: Sequence[Row], split: Split, classes: int) -> list[str]:
    """A split for every row.

    Unlabelled rows go to `unlabelled`. A group with a row that the source has put somewhere follows it whole.
    The rest is divided; when the source names a test split but no validation, validation is `split.validation` of
    its train part. No row is added to an official test or validation split.
    """
    labelled = [row for row in rows if row.label is not None]
    official = {row.group: row.record.split for row in labelled if row.record.split not in (None, "unlabelled")}
    named = set(official.values())
    shares = {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}
    if "test" in named and "validation" not in named:
        official = {group: name for group, name in official.items() if name != "train"}
        shares = {"train": 1 - split.validation, "validation": split.validation}
    elif named:
        shares = {name: share for name, share in shares.items() if name not in named} | {"train": shares["train"]}
    free = [row for row in labelled if row.group not in official]
    counts = label_counts([r.group for r in free], [_label(r) for r in free], classes)
    chosen: dict[str, str] = {group: name for group, name in official.items() if name is not None}
    chosen |= divide(counts, shares, split.seed)
    return ["unlabelled" if row.label is None else chosen[row.group] for row in rows]


def _label(row: Row) -> int:
    assert row.label is not None
    return row.label
