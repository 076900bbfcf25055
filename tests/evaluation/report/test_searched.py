"""What candidates tried: every probe and finalist, how often validation was looked at, what each source contributes."""

from typing import Any

import pytest
from tests.evaluation.report.evaluations import NAMES
from tests.evaluation.report.reading import Page
from tests.evaluation.report.searching import LOSSES, PLACES, cut_search, fusion, source_search

from medgraft.evaluation.report.searched import looks, searched

Result = dict[str, Any]
CUT = NAMES[-1]


@pytest.fixture(scope="module")
def page(searching: Result) -> Page:
    return Page(searching["html"])


def test_every_probe_of_a_cut_and_what_became_of_it(page: Page) -> None:
    _, *rows = page.tables[f"Probes of {CUT}"]
    assert [row[0] for row in rows] == list(PLACES)
    assert [row[2] for row in rows] == [f"{loss:.3f}" for loss in LOSSES]
    assert rows[1][1:] == ["1,024", "0.520", "0.140 ± 0.020", "–"]
    assert rows[4][3] == "lowest"
    became = {row[0]: row[4] for row in rows}
    assert became == dict.fromkeys(PLACES, "–") | {
        "layer2.3": "finalist chosen",
        "layer3.3": "finalist",
        "whole": "finalist",
        "layer4.2": "edge",
    }


def test_the_finalists_on_validation_and_the_choice(page: Page) -> None:
    selection = cut_search()["selection"]
    _, *rows = page.tables[f"Finalists of {CUT}"]
    assert [row[0] for row in rows] == ["layer3.3 best", "layer2.3 chosen", "full"]
    for cells, row in zip(rows, selection["rows"], strict=True):
        assert cells[2] == f"{row['mean']:.4f}"
        assert cells[5] == ("yes" if row["admissible"] else "no")
    assert "validation chose layer2.3 among them (full: the whole network, not cut)" in page.text
    assert "at 8 places, the ends of all blocks and of the whole network, then the places inside the best" in page.text


def test_one_finalist_is_no_choice(page: Page) -> None:
    _, *rows = page.tables["Probes of source_best"]
    assert rows == [
        ["imagenet", "0.400 ± 0.030", "chosen"],
        ["xray_net", "0.450 ± 0.030", "–"],
        ["drawn", "0.500 ± 0.030", "–"],
    ]
    assert "One finalist was left, imagenet, so that validation had nothing to choose." in page.text
    assert "Finalists of source_best" not in page.tables


def test_drift_in_words_and_pictures(page: Page) -> None:
    assert (
        "left the features of stem closest to the pretrained ones (CKA 0.99) and those of whole farthest from them "
        "(0.30); no closer than random weights: whole."
    ) in page.text
    labels = [attributes.get("aria-label") or "" for tag, attributes in page.elements if tag == "svg"]
    assert sum(label.startswith(f"Search of {CUT}") for label in labels) == 1
    assert sum(label.startswith(f"Drift in the search of {CUT}") for label in labels) == 1


def test_looks_are_counted_and_the_winners_curse_is_told(page: Page, binary: Result) -> None:
    assert (
        f"9 looks at validation in all: 7 candidates, one of which chose among finalists there ({CUT}: 3). The score "
        "of such a candidate on validation is that of a finalist which did well on these same images"
    ) in page.text
    plain = Page(binary["html"])
    assert "4 looks at validation in all: one a candidate." in plain.text
    assert not {"searches", "fusion"} & {attributes.get("id") for _, attributes in plain.elements}


def test_looks_of_one_and_of_several_that_chose() -> None:
    search = cut_search()
    assert "3 looks at validation in all: 1 candidate, which chose among finalists there (a: 3)" in looks(
        {"looks": 3, "candidates": {"a": {}}}, {"a": search}
    )
    both = {"a": search, "b": search | {"finalists": ["layer3.3", "full"]}}
    metrics = {"looks": 6, "candidates": {"a": {}, "b": {}, "c": {}}}
    told = looks(metrics, both | {"c": source_search(["x", "y"])})
    assert "6 looks at validation in all: 3 candidates, 2 of which chose among finalists there (a: 3, b: 2)" in told


def test_what_each_initialization_contributes(page: Page) -> None:
    _, *rows = page.tables["Contributions to dvme_three"]
    assert rows == [
        ["imagenet", "50.0 %", "0.420", "+0.020"],
        ["xray_net", "33.3 %", "0.400", "0.000"],
        ["drawn", "16.7 %", "0.380", "−0.020"],
    ]
    _, *rows = page.tables["Contributions to dvme_two"]
    assert rows == [["imagenet", "66.7 %"], ["xray_net", "33.3 %"]]
    assert "With two, leaving one out leaves nothing to join, so it was not tried." in page.text
    assert sum(fusion(["a", "b", "c"])["attention"].values()) == pytest.approx(1.0)


def test_the_whole_network_may_be_chosen_and_a_depth_may_have_no_cka() -> None:
    record = cut_search() | {"chosen": "full"}
    record["drift"][-2:] = [
        {"name": "layer4.2", "kept": 0.4, "random": None},
        {"name": "whole", "kept": None, "random": 0.3},
    ]
    (found,) = searched({"a": record}, "binary")
    assert [probe.name for probe in found.probes if probe.chosen] == ["whole"]
    assert "those of layer4.2 farthest from them (0.40); closer than random weights wherever those" in found.drift
    assert "nan" not in "".join(chart for _, chart in found.charts).lower()


def test_a_record_of_a_strategy_from_elsewhere() -> None:
    (found,) = searched({"a": {"finalists": ["x"], "looks": 0, "chosen": "x", "tried": 3}}, "binary")
    assert (found.probes, found.charts, found.drift, found.selection) == ([], [], "", None)
