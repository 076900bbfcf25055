"""One row stays for each image, and patients who share an image can't be separated any more."""

import itertools

import pytest

from medgraft.data.duplicates import Row, check_official, join, resolve
from medgraft.data.labels import Label
from medgraft.data.readers import Record
from medgraft.errors import UserError


def _row(number: int, image: str, group: str, label: Label | None = 0, split: str | None = None) -> Row:
    return Row(Record(f"labels.csv row {number}", group=group, split=split), image, label, group)


def test_one_row_stays_for_each_image() -> None:
    found = resolve([_row(1, "a", "p"), _row(2, "b", "p"), _row(3, "a", "p"), _row(4, "a", "p")])
    assert [row.record.reference for row in found.rows] == ["labels.csv row 1", "labels.csv row 2"]
    assert found.duplicates == [("labels.csv row 3", "labels.csv row 1"), ("labels.csv row 4", "labels.csv row 1")]
    assert found.conflicts == []
    assert found.aliases == {}


def test_groups_that_share_images_become_one_whatever_the_order() -> None:
    rows = [_row(1, "a", "r"), _row(2, "a", "q"), _row(3, "b", "q"), _row(4, "b", "p"), _row(5, "c", "p")]
    rows += [_row(6, "d", "s"), _row(7, "e", "r")]
    for order in itertools.permutations(rows):
        found = resolve(order)
        assert {row.image_id: row.group for row in found.rows} == {"a": "p", "b": "p", "c": "p", "d": "s", "e": "p"}


def test_a_labelled_copy_stands_for_an_unlabelled_one() -> None:
    found = resolve([_row(1, "a", "p", None), _row(2, "a", "p", 1)])
    assert [(row.record.reference, row.label) for row in found.rows] == [("labels.csv row 2", 1)]
    assert found.duplicates == [("labels.csv row 1", "labels.csv row 2")]


def test_a_copy_with_an_official_split_stands_for_one_without() -> None:
    found = resolve([_row(1, "a", "p"), _row(2, "a", "q", split="test")])
    assert [(row.record.split, row.group) for row in found.rows] == [("test", "p")]


def test_copies_with_different_labels_are_all_thrown_out() -> None:
    found = resolve([_row(1, "a", "p", 0), _row(2, "a", "q", 1), _row(3, "a", "q", None), _row(4, "b", "q", 1)])
    assert [row.image_id for row in found.rows] == ["b"]
    [conflict] = found.conflicts
    assert conflict.references == tuple(f"labels.csv row {i}" for i in (1, 2, 3))
    assert [where for where, _ in found.conflicting] == list(conflict.references)
    assert all("different labels" in why for _, why in found.conflicting)
    assert found.duplicates == []


@pytest.mark.parametrize("splits", [("train", "test"), (None, "train", "test"), ("unlabelled", "test", "validation")])
def test_the_same_image_in_two_official_splits_is_refused(splits: tuple[str | None, ...]) -> None:
    rows = [_row(i, "a", "p", split=split) for i, split in enumerate(splits, start=1)]
    two = [i for i, split in enumerate(splits, start=1) if split not in (None, "unlabelled")]
    with pytest.raises(UserError, match="the same image in two official splits") as caught:
        resolve(rows)
    for number in two:
        assert f"labels.csv row {number} ({splits[number - 1]})" in str(caught.value)


def test_a_patient_in_two_official_splits_is_refused() -> None:
    rows = [_row(1, "a", "p", split="train"), _row(2, "b", "q", split="train"), _row(3, "c", "p", split="test")]
    rows += [_row(4, "d", "q"), _row(5, "e", "q", split="unlabelled"), _row(6, "f", "p", split="test")]
    with pytest.raises(UserError, match="1 patients") as caught:
        check_official(rows)
    assert "labels.csv row 1 (train) and labels.csv row 3 (test) are of one patient" in str(caught.value)
    check_official([row for row in rows if row.group != "p"])


def test_a_patient_merged_by_a_shared_image_must_not_straddle_either() -> None:
    rows = [_row(1, "a", "p", split="train"), _row(2, "b", "p"), _row(3, "b", "q", split="test")]
    with pytest.raises(UserError, match=r"row 1 \(train\) and .*row 3 \(test\)"):
        check_official(resolve(rows).rows)


def test_findings_of_copies_add_up_unless_they_contradict_each_other() -> None:
    found = resolve(
        [_row(1, "a", "p", (1, None, None)), _row(2, "a", "p", (None, 0, None)), _row(3, "b", "p", (1, 0, 0))]
    )
    assert [row.label for row in found.rows] == [(1, 0, None), (1, 0, 0)]
    found = resolve([_row(1, "a", "p", (1, None)), _row(2, "a", "q", (0, 0))])
    assert found.rows == []
    assert [c.references for c in found.conflicts] == [("labels.csv row 1", "labels.csv row 2")]


def test_groups_that_share_a_picture_become_one() -> None:
    resolved = resolve([_row(1, "a", "p"), _row(2, "b", "q"), _row(3, "c", "r"), _row(4, "d", "q"), _row(5, "a", "s")])
    found = join(resolved, [(1, 2)])
    assert [(row.image_id, row.group) for row in found.rows] == [("a", "p"), ("b", "q"), ("c", "q"), ("d", "q")]
    assert found.aliases == {"p": ["s"], "q": ["r"]}
    assert resolved.aliases == {"p": ["s"]}
    assert join(resolved, []) == resolved


def test_a_picture_on_both_sides_of_an_official_split_is_refused() -> None:
    rows = [_row(1, "a", "p", split="train"), _row(2, "b", "q", split="test"), _row(3, "c", "r"), _row(4, "d", "s")]
    resolved = resolve(rows)
    with pytest.raises(
        UserError, match=r"1 pairs of images are the same picture .*\n  - labels.csv row 1 \(train\) and "
    ):
        join(resolved, [(0, 1), (2, 3)])
    check_official(join(resolved, [(1, 2)]).rows)
