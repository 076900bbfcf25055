"""The section on a ranking: every number, verdict and point; nothing of it without one."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.report.reading import Page
from tests.evaluation.test_advice import card, grouped, row

from medgraft.artifacts import write_json
from medgraft.evaluation.report import write_report
from medgraft.evaluation.report.advised import advised

Result = dict[str, Any]

MEASURED = {"imagenet": 0.82, "x_ray": 0.85, "drawn": 0.7}
PREDICTED = {"imagenet": 0.4, "x_ray": 0.3, "drawn": -0.1}


def advice(**parts: Any) -> Result:
    """Three initializations under one probe, two under another strategy with either cut."""
    rows = [row(name, PREDICTED[name], leep=-0.5 if name != "drawn" else None) for name in PREDICTED]
    rows += [row(name, PREDICTED[name], "layer2") for name in PREDICTED]
    candidates = {f"linear_{name}": (card(name), score) for name, score in MEASURED.items()}
    for cut in ("layer2", "layer3"):
        told = {f"{cut}_{name}": (card(name, "truncated", cut=cut), 0.6) for name in ("imagenet", "drawn")}
        candidates |= told
    return {"metric": "auroc", "why_not": "", "groups": grouped(rows, candidates)} | parts


@pytest.fixture(scope="module")
def page(binary: Result, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(report(binary, tmp_path_factory.mktemp("advised"), advice()))


def report(made: Result, folder: Path, told: Result) -> str:
    shutil.copytree(made["folder"], folder, dirs_exist_ok=True)
    write_json(folder / "advice.json", told)
    write_report(folder, **made["arguments"])
    return (folder / "report.html").read_text(encoding="utf-8")


def test_predicted_and_measured_with_their_ranks(page: Page) -> None:
    header, *rows = page.tables["Predicted and measured, linear"]
    assert header[3:] == [
        "AUROC ± SE (rank)",
        *(f"{s} (rank)" for s in ("LogME", "H-score", "LEEP", "NCE", "TransRate")),
    ]
    assert [row[:4] for row in rows] == [
        ["x_ray", "linear_x_ray", "whole", "0.850 ± 0.020 (1)"],
        ["imagenet", "linear_imagenet", "whole", "0.820 ± 0.020 (2)"],
        ["drawn", "linear_drawn", "whole", "0.700 ± 0.020 (3)"],
    ]
    assert [row[4:] for row in rows] == [
        ["0.300 (2)", "0.300 (2)", "−0.500 (1.5)", "–", "0.300 (2)"],
        ["0.400 (1)", "0.400 (1)", "−0.500 (1.5)", "–", "0.400 (1)"],
        ["−0.100 (3)", "−0.100 (3)", "–", "–", "−0.100 (3)"],
    ]


def test_correlations_and_verdicts(page: Page) -> None:
    _, logme, _, leep, nce, _ = page.tables["Whether it helped, linear"]
    assert logme == [
        "LogME",
        "0.50 (p = 1.000)",
        "0.33 (p = 1.000)",
        "did not help: it put imagenet first, 0.030 below the best, x_ray; three initializations cannot tell a rank "
        "correlation from chance.",
    ]
    assert leep[1:] == ["–", "–", "did not help: it scores them all alike."]
    assert nce[1:] == ["–", "–", "cannot be compared: it scores none of these initializations."]


def test_groups_of_one_strategy_are_told_apart_by_their_settings(page: Page) -> None:
    assert "Whether it helped, truncated (cut layer2)" in page.tables
    assert "Whether it helped, truncated (cut layer3)" in page.tables


def test_a_panel_a_score_that_was_compared(page: Page) -> None:
    labels = [attributes.get("aria-label") or "" for tag, attributes in page.elements if tag == "svg"]
    panels = [label for label in labels if " predicted: " in label]
    assert [label.split(" over ")[1].split(" predicted")[0] for label in panels] == [
        "LogME",
        "H-score",
        "LEEP",
        "TransRate",
    ]
    assert "linear, x_ray 0.850 at 0.300" in panels[0]
    assert "truncated (cut layer2), drawn 0.600 at −0.100" in panels[0]
    assert "layer3" not in panels[0]  # not scored there


def test_the_summary_is_plain() -> None:
    def summary(*helped: bool | None) -> str:
        told = advice()
        told["groups"] = told["groups"][:1]
        compared = [judged for judged in told["groups"][0]["scores"] if judged["order"]]  # all but NCE
        for judged, value in zip(compared, helped, strict=True):
            judged["helped"] = value
        found = advised(told, "binary")
        assert found is not None
        return found.summary

    assert summary(*[False] * 3, None) == (
        "It did not help: of 4 comparisons it helped in 0 and did not in 3; 1 cannot tell."
    )
    assert summary(*[True] * 4) == "It helped: of 4 comparisons it helped in 4 and did not in 0."
    assert summary(True, *[False] * 3).startswith("It helped in part: ")
    assert summary(*[None] * 4) == "Whether it helped cannot be told from these initializations."


def test_why_nothing_is_shown(binary: Result, tmp_path: Path) -> None:
    page = Page(report(binary, tmp_path, advice(why_not="It is stale.", groups=[])))
    assert "It is stale." in page.text
    assert not [name for name in page.tables if "Predicted" in name]


def test_without_a_ranking_there_is_no_section(binary: Result) -> None:
    assert advised(None, "binary") is None
    assert "advice" not in {attributes.get("id") for _, attributes in Page(binary["html"]).elements}
