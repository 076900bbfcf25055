"""The report of figures that the evaluation itself computed: nothing it writes is missing, misnamed or misread."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.report.cohorts import BINARY, FINDINGS, FIVE, GRADES
from tests.evaluation.report.computed import compute, compute_validation
from tests.evaluation.report.reading import Page

from medgraft.artifacts import read_json
from medgraft.evaluation.report import write_report, write_validation_report
from medgraft.params import Evaluation

STUDIES: dict[str, dict[str, Any]] = {
    "binary": {
        "classes": BINARY,
        "settings": Evaluation(unit="group", aggregate="max", prevalence={"malignant": 0.02}),
    },
    "multiclass": {"classes": FIVE, "settings": Evaluation()},
    "ordinal": {"classes": GRADES, "settings": Evaluation(metric="quadratic_kappa", unit="group")},
    "multilabel": {"classes": FINDINGS, "settings": Evaluation(unit="study", aggregate="max")},
}


@pytest.mark.parametrize("task", STUDIES)
def test_every_task_as_it_is_computed(task: str, tmp_path: Path) -> None:
    arguments = compute(tmp_path, task=task, **STUDIES[task])
    write_report(tmp_path, **arguments)
    metrics, page = read_json(tmp_path / "metrics.json"), Page((tmp_path / "report.html").read_text("utf-8"))
    test = metrics["candidates"][metrics["winner"]]["test"]
    assert len(page.tables["Operating points"]) == 1 + len(test["operating"])
    rows = [row for row in page.tables["Figures by class"][1:] if row[0] in metrics["scored"]]
    assert [row[1] for row in rows] == [str(test["per_class"][label]["positives"]) for label in metrics["scored"]]
    values = [stratum["value"] for stratum in metrics["subgroups"]]
    assert {"north", "south", "east", "unknown"} < set(values)
    for label in metrics["scored"]:
        _, _, *strata = page.tables[f"Subgroups: {label}"]
        assert [row[0] for row in strata if len(row) > 1] == values
    pictures = [attributes["alt"] or "" for tag, attributes in page.elements if tag == "img"]
    shown = read_json(tmp_path / "failures.json")
    assert sum(alt.startswith("Occlusion map") for alt in pictures) == len(shown["mistakes"]) + len(shown["correct"])
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", page.text)
    assert all(cell for table in page.tables.values() for row in table for cell in row)
    if task == "ordinal":
        assert "was chosen: quadratic-weighted kappa" in page.text


def test_what_candidates_tell_of_looks_edges_and_attention(tmp_path: Path) -> None:
    arguments = compute(tmp_path, task="binary", **STUDIES["binary"])
    write_report(tmp_path, **arguments)
    metrics, page = read_json(tmp_path / "metrics.json"), Page((tmp_path / "report.html").read_text("utf-8"))
    good, poor = (metrics["candidates"][name] for name in ("good", "poor"))
    assert [metrics["looks"], good["looks"], poor["looks"]] == [4, 1, 3]
    assert good["fusion"] is None
    assert poor["fusion"] == {
        "attention": {"imagenet": 0.6, "xray": 0.4},  # of the packaged run, seed 0
        "validation_loss": 0.5,
        "validation_loss_without": None,
    }
    warning = "The regularisation of the probe ended at the edge of the grid (C = 1e-06) in 2 of 4 runs"
    assert sum(text.startswith(warning) for text in poor["warnings"]) == 1
    assert not [text for text in good["warnings"] if text.startswith(warning)]
    assert f"poor: {warning}" in page.text
    assert (
        "4 looks at validation in all: 2 candidates, one of which chose among finalists there (poor: 3)." in page.text
    )


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_a_validation_says_what_was_not_done_here(task: str, tmp_path: Path) -> None:
    arguments = compute_validation(tmp_path, task=task, **STUDIES[task])
    write_validation_report(tmp_path, **arguments)
    html = (tmp_path / "report.html").read_text("utf-8")
    metrics, page = read_json(tmp_path / "metrics.json"), Page(html)
    test = arguments["dataset_card"]["splits"]["test"]
    figure = metrics["candidates"]["nodules/3"]["test"]["macro"]["auroc"]
    assert (
        f"AUROC {figure['estimate']:.3f} (95 % CI {figure['low']:.3f}–{figure['high']:.3f}) on {test['images']} images "
        f"from {test['groups']} patients, opened 2 times."
    ) in page.text
    assert "The labels of this test set have been opened 2 times" in page.text
    assert "nothing was fitted, chosen or left out here" in page.text
    assert not {"Leaderboard", "Choice on validation", "Initializations", "TRIPOD+AI"} & set(page.tables)
    assert "chosen candidate" not in page.text
    assert "nodules/3 chosen" not in page.text
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {(attributes.get("href") or "#")[1:] for _, attributes in page.elements} - {""}
    assert links <= ids
    points = metrics["candidates"]["nodules/3"]["test"]["operating"]
    shown = page.tables["Operating points"][1:]
    for row, point in zip(shown, points, strict=True):
        assert (row[-6:-1] == ["undefined"] * 5) == (point["threshold"] is None)
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", page.text)
    write_validation_report(tmp_path, **arguments)
    assert (tmp_path / "report.html").read_text("utf-8") == html
