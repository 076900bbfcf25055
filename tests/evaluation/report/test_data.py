"""The data behind an evaluation: counts, quality of the source, drift, duplicates."""

import base64
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.report.reading import Page

from medgraft.evaluation.report import write_report
from medgraft.evaluation.report.pictures import PAIRS_SHOWN

Result = dict[str, Any]


@pytest.mark.parametrize("name", ["binary", "multilabel"])
def test_labels_of_every_split(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    splits, page = report["arguments"]["dataset_card"]["splits"], Page(report["html"])
    _, *rows = page.tables["Labels per split"]
    for label, row in zip(report["metrics"]["classes"], rows, strict=True):
        expected = [label]
        for split in splits.values():
            known = split["images"] - split["unknown"][label]
            share = f"{100 * split['labels'][label] / known:.1f} %"
            expected.append(f"{split['labels'][label]} {share}{f' of {known}' if name == 'multilabel' else ''}")
        assert row == expected
    counts = [[n, str(s["images"]), str(s["groups"]), f"{s['images'] / s['groups']:.2f}"] for n, s in splits.items()]
    assert page.tables["Counts per split"][1:] == counts


def test_says_that_it_is_no_certified_deidentifier(binary: Result) -> None:
    assert "Not a certified de-identifier." in Page(binary["html"]).text


def test_what_came_in_and_what_was_left_out(binary: Result) -> None:
    quality, page = binary["arguments"]["quality"], Page(binary["html"])
    assert (
        "1,100 rows read, 1,013 kept, 60 quarantined, 27 exact duplicates dropped; 2 patients joined "
        "to another because they share an image. The source was an archive or remote: 1,103 files taken, 3 refused as "
        "unsafe. Images with more than 8 bits: the value 4,095 became white, in all images alike; the "
        "largest value found is 4,012."
    ) in page.text
    _, *quarantined = page.tables["Quarantined rows"]
    assert quarantined == [[row["source_uri"], row["reason"]] for row in quality["quarantined"][:50]]
    assert "The first 50 of 60; all of them are in the data set's quality.json." in page.text
    for table, key in (("Changed on reading", "transformations"), ("Reason for quarantine", "reasons")):
        assert page.tables[table][1:] == [[what, str(count)] for what, count in quality[key].items()]


def test_drift_and_what_stands_out(binary: Result) -> None:
    drift, page = binary["arguments"]["quality"]["drift"], Page(binary["html"])
    _, *rows = page.tables["Drift"]
    for row, facts in zip(rows, drift, strict=True):
        numbers = [f"{facts[key]:.1f}" for key in ("intensity_mean", "intensity_sd")]
        numbers += ["–" if facts[key] is None else f"{facts[key]:.2f}" for key in ("smd", "ks")]
        assert row[-9:] == [facts["value"], "250", "1,022.5", "767", *numbers, "yes" if facts["flag"] else "no"]
    assert f"{sum(row['flag'] for row in drift)} of {len(drift)} rows stand out." in page.text


def test_pairs_stand_side_by_side(binary: Result) -> None:
    arguments, page = binary["arguments"], Page(binary["html"])
    quality = arguments["quality"]
    for title, key in (("Near duplicates", "near_duplicates"), ("Look-alikes", "suspects")):
        _, *rows = page.tables[title]
        for row, pair in zip(rows, quality[key], strict=True):
            patient = "the same" if pair["same_group"] else "joined" if pair["merged"] else "another"
            labels = {None: "sealed", True: "differ", False: "agree"}[pair["labels_differ"]]
            correlation = f"{pair['correlation']:.3f}"
            inside = "–" if pair["inside"] is None else f"{pair['inside']:.3f}"
            distance = str(pair["distance"])
            assert row == [pair["source_uri"], pair["of"], distance, correlation, inside, patient, labels]
    assert "The first 14 of 41." in page.text
    shown = {attributes["src"]: attributes["alt"] for tag, attributes in page.elements if tag == "img"}
    suspects = quality["suspects"][:PAIRS_SHOWN]
    for entry in [*quality["near_duplicates"], *suspects, *quality["conflicts"]]:
        named = [entry["of"], entry["source_uri"]] if "of" in entry else [", ".join(entry["source_uri"])]
        for image_id, name in zip(entry["image_ids"], named, strict=True):
            raw = (arguments["dataset"] / "thumbnails" / quality["thumbnails"][image_id]).read_bytes()
            assert shown[f"data:image/png;base64,{base64.b64encode(raw).decode()}"] == name
    (conflict,) = page.tables["Conflicts"][1:]
    assert conflict == ["labels.csv row 31, labels.csv row 77", "the same pixels carry different labels"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_clean_source_has_no_empty_tables(single: Result, tmp_path: Path, asked: bool) -> None:
    folder = shutil.copytree(single["folder"], tmp_path / "evaluation")
    lists = dict.fromkeys(("quarantined", "duplicates", "near_duplicates", "suspects", "conflicts", "drift"), ())
    nothing: Result = {"archive": None, "white": None, "merged_groups": 0, "reasons": {}, "transformations": {}}
    card = single["arguments"]["dataset_card"]
    dataset = card["asked"]["dataset"] | {"near_duplicates": asked}
    card = card | {"asked": card["asked"] | {"dataset": dataset}}
    quality = single["arguments"]["quality"] | lists | nothing
    write_report(folder, **single["arguments"] | {"quality": quality, "dataset_card": card})
    html = (folder / "report.html").read_text("utf-8")
    page = Page(html)
    text = "No duplicate was found" + ("." if asked else "; near duplicates were not looked for.")
    assert text in page.text
    assert "archive" not in page.text.split("Quality of the source")[1].split("Size and intensity")[0]
    assert "No row stands out." in page.text
    assert not {"Quarantined rows", "Duplicates", "Near duplicates", "Look-alikes", "Conflicts"} & set(page.tables)
    assert not re.search(r"<tbody>\s*</tbody>", html)


def test_pairs_of_volumes_are_listed_without_pictures(single: Result, tmp_path: Path) -> None:
    folder = shutil.copytree(single["folder"], tmp_path / "evaluation")
    quality = single["arguments"]["quality"] | {"thumbnails": {}, "bounded": True}
    write_report(folder, **single["arguments"] | {"quality": quality})
    page = Page((folder / "report.html").read_text("utf-8"))
    assert page.tables["Conflicts"][1:] == [["labels.csv row 31, labels.csv row 77", quality["conflicts"][0]["why"]]]
    assert not [a for tag, a in page.elements if tag == "img" and "row" in (a["alt"] or "")]
    assert "there may be more near duplicates than are listed" in page.text
