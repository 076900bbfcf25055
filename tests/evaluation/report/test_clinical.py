"""What a clinician asks: operating points, net benefit, subgroups, mistakes."""

import base64
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.evaluation.report.reading import Page

from medgraft.artifacts import write_json
from medgraft.errors import UserError
from medgraft.evaluation.report import write_report

Result = dict[str, Any]


def interval(figure: Result) -> str:
    if figure["low"] is None:
        return f"{figure['estimate']:.3f} withheld ({100 * figure['undefined_share']:.1f} % undefined draws)"
    return f"{figure['estimate']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def winner(report: Result) -> Result:
    metrics = report["metrics"]
    found: Result = metrics["candidates"][metrics["winner"]]
    return found


@pytest.mark.parametrize("name", ["binary", "ordinal", "multilabel"])
def test_every_operating_point(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    points = winner(report)["test"]["operating"]
    _, *rows = Page(report["html"]).tables["Operating points"]
    assert len(rows) == 2 * len(report["metrics"]["scored"])
    for row, point in zip(rows, points, strict=True):
        said = "as stated" if point["prevalence_stated"] else "that of test"
        assert row[-7:] == [
            f"{point['target']} 0.900",
            f"{point['threshold']:.4f}",
            *(interval(point[key]) for key in ("sensitivity", "specificity", "ppv", "npv")),
            f"{point['prevalence']:.3f} {said}",
        ]
        assert row[:-7] in ([], [point["class"]])


def test_only_a_prevalence_that_was_not_stated_is_warned_of(binary: Result, multilabel: Result) -> None:
    warning = "no prevalence was stated in evaluation.prevalence"
    assert warning in Page(multilabel["html"]).text
    assert warning not in Page(binary["html"]).text


def test_net_benefits_are_those_of_the_curve(binary: Result) -> None:
    metrics, page = binary["metrics"], Page(binary["html"])
    table = pl.read_csv(binary["folder"] / "plots" / "decision_curve.csv")
    at = [table.filter(pl.col("threshold").round(2) == t) for t in (0.05, 0.1, 0.2, 0.3, 0.5)]
    _, *rows = page.tables["Net benefit"]
    assert [row[-6] for row in rows] == [metrics["winner"], metrics["reference"], "treat all"]
    points = [rows_.filter(candidate=metrics["winner"]).row(0, named=True) for rows_ in at]
    assert rows[0][-5:] == ["{net_benefit:.3f} ({low:.3f} to {high:.3f})".format(**p).replace("-", "−") for p in points]
    assert rows[2][-5:] == [f"{p['treat_all']:.3f}".replace("-", "−") for p in points]


def test_every_scored_class_has_a_decision_curve(multilabel: Result) -> None:
    charts = [a["aria-label"] or "" for _, a in Page(multilabel["html"]).elements if a.get("role") == "img"]
    named = [chart for chart in charts if chart.startswith("Decision curve for ")]
    assert len(named) == len(multilabel["metrics"]["scored"])


def test_every_stratum_of_every_class(five: Result) -> None:
    metrics, page = five["metrics"], Page(five["html"])
    for label in metrics["scored"]:
        _, everyone, *rows = page.tables[f"Subgroups: {label}"]
        overall = winner(five)["test"]["per_class"][label]
        assert everyone[3] == interval(overall["auroc"])
        strata = [row for row in rows if len(row) > 1]
        for row, stratum in zip(strata, metrics["subgroups"], strict=True):
            assert row[:3] == [stratum["value"], str(stratum["images"]), str(stratum["groups"])]
            if label in stratum["figures"]:
                figures = stratum["figures"][label]
                shown = [
                    interval(figures[k]) + (" below all" if figures[k]["high"] < overall[k]["estimate"] else "")
                    for k in ("auroc", "sensitivity", "specificity")
                ]
                assert row[3:] == shown
            else:
                assert row[3:] == ["withheld: fewer than 10 positive or 10 negative patients"]
        assert [row[0] for row in rows if len(row) == 1] == ["site", "age"]
    assert "and 3 more, marked below" in page.text


def test_without_subgroup_columns_that_is_said(single: Result) -> None:
    page = Page(single["html"])
    assert "no subgroup columns: whether the model serves sexes, ages, sites or devices alike is not known" in page.text
    assert not [name for name in page.tables if name.startswith("Subgroups")]


@pytest.mark.parametrize("name", ["binary", "multilabel"])
def test_mistakes_with_their_pictures(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    page, failures = Page(report["html"]), report["failures"]
    assert len(failures["mistakes"]) == 12
    shown = {attributes["src"] for tag, attributes in page.elements if tag == "img"}
    for case in [*failures["mistakes"], *failures["correct"]]:
        for picture in (f"{case['image_id']}.png", f"{case['image_id']}_saliency.png"):
            raw = (report["folder"] / "gallery" / picture).read_bytes()
            assert f"data:image/png;base64,{base64.b64encode(raw).decode()}" in shown
        assert (
            f"actually {case['truth']} decided {case['decided']}, probability {case['probability']:.3f} "
            f"image {case['image_id'][:12]} patient {case['group_id'][:12]}"
        ) in page.text
        assert case["image_id"] not in page.text
    assert "Pictures of patients: treat this report as you treat the images." in page.text


def test_no_mistake_is_said(single: Result, tmp_path: Path) -> None:
    folder = shutil.copytree(single["folder"], tmp_path / "evaluation")
    write_json(folder / "failures.json", single["failures"] | {"mistakes": [], "correct": []})
    write_report(folder, **single["arguments"])
    text = Page((folder / "report.html").read_text("utf-8")).text
    assert f"{single['metrics']['winner']} made no mistake on test." in text
    assert "Pictures of patients" not in text


def test_a_missing_picture_is_the_users_to_know(single: Result, tmp_path: Path) -> None:
    folder = shutil.copytree(single["folder"], tmp_path / "evaluation")
    (folder / "gallery" / f"{single['failures']['mistakes'][0]['image_id']}.png").unlink()
    with pytest.raises(UserError, match=r"is missing; run the stage that writes it again"):
        write_report(folder, **single["arguments"])
