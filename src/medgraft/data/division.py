"""Which split each image goes to: the source's own word where it has one, else ours, by whole patients."""

from collections.abc import Sequence

from medgraft.data.duplicates import Row
from medgraft.data.labels import known, truths
from medgraft.data.splits import divide, label_counts
from medgraft.errors import UserError
from medgraft.params import Split

LISTED = 20  # values of a column, in an error


def split_of_rows(rows: Sequence[Row], split: Split, classes: int) -> list[str]:
    """A split for every row.

    Rows without a label, or that the source itself calls `unlabelled`, go to `unlabelled`. A group with a row that
    the source has put somewhere follows it whole, so rows without a word of their own may join an official test.
    The other groups are divided; when the source names a test split but no validation, validation is
    `split.validation` of its train part. No other group is added to an official test or validation split; one without
    labelled rows is none, for nothing could be measured on it.

    With `split.only_test` all labelled rows are test; with `split.held_out` test is every group with a row of that
    site, and only it, and the others are divided; the source's own word does not count in either case.
    """
    usable = [known(row.label) and row.record.split != "unlabelled" for row in rows]
    labelled = [row for row, use in zip(rows, usable, strict=True) if use]
    if split.only_test:
        chosen: dict[str, str] = {row.group: "test" for row in labelled}
        named = {"test"}
    elif split.held_out is not None:
        chosen = _held_out(labelled, split)
        named = {"test"}
    else:
        chosen = {row.group: row.record.split for row in rows if row.record.split not in (None, "unlabelled")}
        named = {row.record.split for row in labelled if row.record.split is not None}
    shares = _shares(split, named)
    if "test" in named and "validation" not in named:
        chosen = {group: name for group, name in chosen.items() if name != "train"}
    free = [row for row in labelled if row.group not in chosen]
    counts = label_counts([r.group for r in free], truths([r.label for r in free], classes))
    chosen |= divide(counts, shares, split.seed)
    return [chosen[row.group] if use else "unlabelled" for row, use in zip(rows, usable, strict=True)]


def _shares(split: Split, named: set[str]) -> dict[str, float]:
    """What is to be divided among which splits, given those that are settled."""
    if "test" in named and "validation" not in named:
        return {"train": 1 - split.validation, "validation": split.validation}
    shares = {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}
    return shares if not named else {n: s for n, s in shares.items() if n not in named} | {"train": shares["train"]}


def _held_out(rows: Sequence[Row], split: Split) -> dict[str, str]:
    """Test: the groups seen at the site; raises `UserError` where it has none, or one was seen elsewhere, too."""
    assert split.held_out is not None
    column, value = split.held_out.column, split.held_out.value
    sites = [str(row.record.subgroups[column]) for row in rows]
    there = {row.group for row, site in zip(rows, sites, strict=True) if site == value}
    if not there:
        values = sorted(set(sites))
        held = f"the values are: {', '.join(values)}" if len(values) <= LISTED else f"it has {len(values)} other values"
        raise UserError(f"split.held_out: no labelled row has {column} = {value}; {held}")
    elsewhere = {row.group for row, site in zip(rows, sites, strict=True) if site != value and row.group in there}
    if elsewhere:
        raise UserError(
            f"split.held_out: {len(elsewhere)} patients (groups) with {column} = {value} were also seen elsewhere, so "
            "the site would not be new to the model; remove their other rows, or hold out another column"
        )
    return dict.fromkeys(there, "test")
