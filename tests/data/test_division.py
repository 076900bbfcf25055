"""The source's own split is kept; nothing is ever added to an official test set."""

from collections import Counter

import pytest

from medgraft.data.division import split_of_rows
from medgraft.data.duplicates import Row
from medgraft.data.readers import Record
from medgraft.errors import UserError
from medgraft.params import HeldOut, Split


def _row(number: int, group: str, split: str | None, label: int | None) -> Row:
    return Row(Record(f"row {number}", group=group, split=split), f"image{number}", label, group)


def _rows(official: list[str | None], images: int = 2) -> list[Row]:
    """`images` rows for each of 100 patients; patient i has the i-th official split, over and over."""
    return [
        _row(i * images + k, f"p{i}", official[i % len(official)], i // len(official) % 2)
        for i in range(100)
        for k in range(images)
    ]


def _shares(rows: list[Row], splits: list[str]) -> dict[str, float]:
    return {name: count / len(rows) for name, count in Counter(splits).items()}


SPLIT = Split(validation=0.2, test=0.3)


def test_without_an_official_split_everything_is_divided() -> None:
    rows = _rows([None])
    splits = split_of_rows(rows, SPLIT, 2)
    assert _shares(rows, splits) == pytest.approx({"train": 0.5, "validation": 0.2, "test": 0.3}, abs=0.02)


def test_a_whole_official_split_is_kept() -> None:
    rows = _rows(["train", "validation", "test", "train"])
    assert split_of_rows(rows, SPLIT, 2) == [row.record.split for row in rows]


def test_without_official_validation_it_comes_out_of_train() -> None:
    rows = _rows(["train", "train", "train", "test"])
    splits = split_of_rows(rows, SPLIT, 2)
    assert all((row.record.split == "test") == (name == "test") for row, name in zip(rows, splits, strict=True))
    assert _shares(rows, splits) == pytest.approx({"train": 0.6, "validation": 0.15, "test": 0.25}, abs=0.02)


@pytest.mark.parametrize(
    ("official", "added"),
    [
        (["train", "validation", "test", None], {"train"}),
        (["test", "validation", None], {"train"}),
        (["test", None], {"train", "validation"}),
        (["train", None], {"train", "validation", "test"}),
        (["train", "validation", None], {"train", "test"}),
    ],
)
def test_rows_the_source_leaves_open(official: list[str | None], added: set[str]) -> None:
    rows = _rows(official)
    splits = split_of_rows(rows, SPLIT, 2)
    assert {name for row, name in zip(rows, splits, strict=True) if row.record.split is None} == added
    kept = {name for row, name in zip(rows, splits, strict=True) if row.record.split == "test"}
    assert kept == ({"test"} if "test" in official else set())


def test_a_patient_follows_their_official_row_and_unlabelled_rows_stay_apart() -> None:
    rows = [*_rows([None]), _row(900, "p7", "test", 1), _row(901, "p8", None, None), _row(902, "p7", None, None)]
    splits = split_of_rows(rows, SPLIT, 2)
    assert {name for row, name in zip(rows, splits, strict=True) if row.group == "p7"} == {"test", "unlabelled"}
    assert splits[-2:] == ["unlabelled", "unlabelled"]
    by_group: dict[str, set[str]] = {}
    for row, name in zip(rows, splits, strict=True):
        if row.label is not None:
            by_group.setdefault(row.group, set()).add(name)
    assert all(len(names) == 1 for names in by_group.values())


def test_an_official_split_without_labels_is_none() -> None:
    """A competition's test set has no labels: ours is divided as if it were not there, its patients staying in it."""
    hidden = [_row(900 + n, f"t{n}", "test", None) for n in range(10)]
    rows = [*_rows([None]), *hidden, _row(950, "t0", None, 1)]
    splits = split_of_rows(rows, SPLIT, 2)
    assert _shares(rows[:200], splits[:200]) == pytest.approx({"train": 0.5, "validation": 0.2, "test": 0.3}, abs=0.02)
    assert splits[200:] == ["unlabelled"] * 10 + ["test"]


def _site_rows(sites: dict[str, str]) -> list[Row]:
    """Two rows for each patient, at the site of the patient."""
    rows = []
    for number, (group, site) in enumerate(sites.items()):
        for k in range(2):
            record = Record(f"row {number}.{k}", group=group, split="train", subgroups={"site": site})
            rows.append(Row(record, f"image{number}.{k}", number // 3 % 2, group))
    return rows


def test_a_site_held_out_is_the_whole_test_split_and_nothing_else_is() -> None:
    rows = _site_rows({f"p{i}": "ABC"[i % 3] for i in range(90)})
    splits = split_of_rows(rows, Split(validation=0.25, held_out=HeldOut(column="site", value="B")), 2)
    at_b = [row.record.subgroups["site"] == "B" for row in rows]
    assert [name == "test" for name in splits] == at_b
    rest = Counter(name for name, there in zip(splits, at_b, strict=True) if not there)
    assert rest == {"train": 90, "validation": 30}
    assert all(
        len({name for row, name in zip(rows, splits, strict=True) if row.group == group}) == 1 for group in ("p0", "p1")
    )


def test_a_site_held_out_must_exist_and_be_new() -> None:
    rows = _site_rows({f"p{i}": "AB"[i % 2] for i in range(40)})
    with pytest.raises(UserError, match=r"no labelled row has site = D; the values are: A, B"):
        split_of_rows(rows, Split(held_out=HeldOut(column="site", value="D")), 2)
    rows.append(Row(Record("row x", group="p1", subgroups={"site": "A"}), "x", 0, "p1"))
    with pytest.raises(UserError, match=r"1 patients \(groups\) with site = B were also seen elsewhere"):
        split_of_rows(rows, Split(held_out=HeldOut(column="site", value="B")), 2)


def test_a_set_for_validating_models_elsewhere_is_all_test() -> None:
    rows = [*_rows(["train", None, "validation"]), _row(900, "p8", None, None)]
    assert split_of_rows(rows, Split(only_test=True), 2) == ["test"] * 200 + ["unlabelled"]


def test_few_values_of_a_column_are_told_and_many_are_not() -> None:
    rows = _site_rows({f"p{i}": f"site {i % 20}" for i in range(40)})
    with pytest.raises(UserError, match=r"the values are: site 0, .*site 9$"):
        split_of_rows(rows, Split(held_out=HeldOut(column="site", value="D")), 2)
    rows = _site_rows({f"p{i}": f"Erika {i}" for i in range(21)})
    with pytest.raises(UserError, match=r"no labelled row has site = D; it has 21 other values$"):
        split_of_rows(rows, Split(held_out=HeldOut(column="site", value="D")), 2)
