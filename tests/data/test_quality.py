"""What the report says of a source, and what it must not say of test images."""

from medgraft.data.dataset import Item
from medgraft.data.duplicates import Conflict, Row
from medgraft.data.examination import Examined
from medgraft.data.near_duplicates import Found, Pair
from medgraft.data.quality import SEALED, by_reason, look_alikes, quality_report, shown
from medgraft.data.readers import Record


def _examined(image_id: str, width: int, height: int, mode: str, changes: tuple[str, ...]) -> Examined:
    return Examined(image_id, (height, width, 3), mode, changes, mean=0.0, largest=None, phash=1)


def _item(image_id: str, split: str, label: int | None) -> Item:
    return Item(image_id, "g", None, split, label, "0" * 16, {}, f"row {image_id}")


def test_counts_and_spreads() -> None:
    kept = [
        _examined("a", 10, 20, "L", ()),
        _examined("b", 30, 20, "RGB", ("transparency laid on black",)),
        _examined("c", 20, 40, "P", ("PNG P stored as 8-bit PNG", "transparency laid on black")),
    ]
    quarantined = [
        ("row 1", "more than 8 bits (mode I)"),
        ("row 2", "more than 8 bits (mode F)"),
        ("row 3", "no label"),
    ]
    report = quality_report(
        rows=7,
        kept=kept,
        quarantined=quarantined,
        duplicates=[("row 4", "row 5")],
        merged_groups=1,
        group_sizes=[2, 1],
    )
    assert report["rows"] == 7 == report["kept"] + len(report["quarantined"]) + len(report["duplicates"])
    assert report["reasons"] == {"more than 8 bits": 2, "no label": 1}
    assert by_reason(quarantined) == {
        "more than 8 bits": ["row 1 (mode I)", "row 2 (mode F)"],
        "no label": ["row 3"],
    }
    assert report["quarantined"][0] == {"source_uri": "row 1", "reason": "more than 8 bits (mode I)"}
    assert report["duplicates"] == [{"source_uri": "row 4", "of": "row 5"}]
    assert report["images"] == {
        "width": {"min": 10, "median": 20.0, "max": 30},
        "height": {"min": 20, "median": 20.0, "max": 40},
        "modes": {"L": 1, "P": 1, "RGB": 1},
    }
    assert report["transformations"] == {"PNG P stored as 8-bit PNG": 1, "transparency laid on black": 2}
    assert report["group_sizes"] == {"min": 1, "median": 1.5, "max": 2}


def test_look_alikes_tell_neither_place_nor_label_of_a_test_image() -> None:
    items = [_item("a", "train", 0), _item("b", "test", 1), _item("c", "train", 1), _item("d", "test", 1)]
    found = Found([Pair(0, 2, 1, 0.99, 0.98)], [Pair(0, 1, 2, 0.9, None), Pair(1, 3, 3, 0.8, None)], False, 2)
    conflict = Conflict("x", ("row 8", "row 9"), Row(Record("row 8"), "x", 0, "g"))
    listed = look_alikes(found, items, ["p", "q", "p", "r"], [conflict])
    [near], [mixed, test] = listed["near_duplicates"], listed["suspects"]
    assert (near["source_uri"], near["of"], near["same_group"], near["merged"]) == ("row c", "row a", True, False)
    assert near["labels_differ"] is True
    assert (near["correlation"], near["inside"], mixed["inside"]) == (0.99, 0.98, None)
    assert (mixed["source_uri"], mixed["of"], mixed["labels_differ"]) == (SEALED, "row a", None)
    assert (test["source_uri"], test["of"], test["labels_differ"]) == (SEALED, SEALED, False)
    assert listed["conflicts"][0]["source_uri"] == ["row 8", "row 9"]
    assert shown(listed) == ["x", "a", "c", "b", "d"]
