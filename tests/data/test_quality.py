from medgraft.data.images import Examined
from medgraft.data.quality import quality_report


def test_counts_and_spreads() -> None:
    kept = [
        Examined("a", 10, 20, 1, "L", ()),
        Examined("b", 30, 20, 3, "RGB", ("transparency laid on black",)),
        Examined("c", 20, 40, 3, "P", ("PNG P stored as 8-bit PNG", "transparency laid on black")),
    ]
    quarantined = [
        ("row 1", "more than 8 bits (mode I)"),
        ("row 2", "more than 8 bits (mode F)"),
        ("row 3", "no label"),
    ]
    report = quality_report(7, kept, quarantined, [("row 4", "row 5")], 1, [2, 1])
    assert report["rows"] == 7 == report["kept"] + len(report["quarantined"]) + len(report["duplicates"])
    assert report["reasons"] == {"more than 8 bits": 2, "no label": 1}
    assert report["quarantined"][0] == {"source_uri": "row 1", "reason": "more than 8 bits (mode I)"}
    assert report["duplicates"] == [{"source_uri": "row 4", "of": "row 5"}]
    assert report["images"] == {
        "width": {"min": 10, "median": 20.0, "max": 30},
        "height": {"min": 20, "median": 20.0, "max": 40},
        "modes": {"L": 1, "P": 1, "RGB": 1},
    }
    assert report["transformations"] == {"PNG P stored as 8-bit PNG": 1, "transparency laid on black": 2}
    assert report["group_sizes"] == {"min": 1, "median": 1.5, "max": 2}


def test_nothing_kept() -> None:
    report = quality_report(0, [], [], [], 0, [])
    assert report["images"]["width"] == report["group_sizes"] == {}
