"""Which split each image goes to: the source's own word where it has one, else ours, by whole patients."""

from collections.abc import Sequence

from medgraft.data.duplicates import Row
from medgraft.data.splits import divide, label_counts
from medgraft.params import Split


def split_of_rows(rows: Sequence[Row], split: Split, classes: int) -> list[str]:
    """A split for every row.

    Rows without a label, or that the source itself calls `unlabelled`, go to `unlabelled`. A group with a row that
    the source has put somewhere follows it whole, so rows without a word of their own may join an official test.
    The other groups are divided; when the source names a test split but no validation, validation is
    `split.validation` of its train part. No other group is added to an official test or validation split.
    """
    labelled = [row for row in rows if row.label is not None and row.record.split != "unlabelled"]
    official = {row.group: row.record.split for row in rows if row.record.split not in (None, "unlabelled")}
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
    usable = [row.label is not None and row.record.split != "unlabelled" for row in rows]
    return [chosen[row.group] if use else "unlabelled" for row, use in zip(rows, usable, strict=True)]


def _label(row: Row) -> int:
    assert row.label is not None
    return row.label
