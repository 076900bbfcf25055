"""What each kind of task, and each unit of prediction, shows."""

import re
from typing import Any

import pytest
from tests.evaluation.report.reading import Page

Result = dict[str, Any]

OF_FIGURES = (
    "leaderboard",
    "choice",
    "curves",
    "ranking",
    "confusion",
    "classes",
    "calibration",
    "operating",
    "decisions",
    "subgroups",
    "failures",
)


def winner(report: Result) -> Result:
    metrics = report["metrics"]
    found: Result = metrics["candidates"][metrics["winner"]]
    return found


def interval(figure: Result) -> str:
    return f"{figure['estimate']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


@pytest.mark.parametrize(("name", "unit"), [("binary", "image"), ("multilabel", "study"), ("ordinal", "patient")])
def test_every_section_with_figures_says_what_is_counted(name: str, unit: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    titled = re.findall(rf'<h2 id="(\w+)">[^<]+ <span class="mark pale">per {unit}</span></h2>', report["html"])
    assert titled == [i for i in OF_FIGURES if name != "multilabel" or i != "confusion"]


def test_the_rule_of_aggregation_stands_under_the_answer(binary: Result, ordinal: Result, multilabel: Result) -> None:
    units = multilabel["metrics"]["units"]
    assert "Unit of prediction: image, that is one prediction per image." in Page(binary["html"]).text
    assert (
        "patient, that is one prediction per patient, the mean of its images' probabilities."
        in Page(ordinal["html"]).text
    )
    assert (
        "Unit of prediction: study, that is one prediction per study, the largest of its images' probabilities. All "
        f"figures are over the {units['test']} studies of test as far as a label is known; the choice was made on the "
        f"{units['validation']} studies of validation."
    ) in Page(multilabel["html"]).text


def test_agreement_in_grades(ordinal: Result) -> None:
    macro, page = winner(ordinal)["test"]["macro"], Page(ordinal["html"])
    assert [row[1] for row in page.tables["Agreement in grades"][1:]] == [
        interval(macro["quadratic_kappa"]),
        interval(macro["mae"]),
    ]
    assert [row[0] for row in page.tables["Confusion matrix"][1:]] == ordinal["metrics"]["classes"]
    assert "Decision: the median grade" in page.text


def test_findings_have_no_confusion_but_counts_of_what_is_unknown(multilabel: Result) -> None:
    metrics, page = multilabel["metrics"], Page(multilabel["html"])
    per_class = winner(multilabel)["test"]["per_class"]
    assert "Confusion matrix" not in page.tables
    assert "#confusion" not in {attributes.get("href") for _, attributes in page.elements}
    for label, row in zip(metrics["scored"], page.tables["Figures by class"][1:-1], strict=True):
        facts = per_class[label]
        assert facts["unknown"] > 0
        counts = [str(facts[key]) for key in ("positives", "negatives", "unknown", "positive_groups")]
        assert row[:6] == [label, *counts, f"{facts['decision_threshold']:.4f}"]
    hernia = per_class["hernia"]
    assert (
        f"on test {hernia['positives']} positive, {hernia['negatives']} negative, {hernia['unknown']} unknown studies"
    ) in page.text


def test_the_share_of_positives_is_of_what_is_known(multilabel: Result) -> None:
    per_class = winner(multilabel)["test"]["per_class"]
    _, *legend = Page(multilabel["html"]).tables["Legend of the curves"]
    assert [row[0] for row in legend] == multilabel["metrics"]["scored"]
    for label, *_, share in legend:
        facts = per_class[label]
        assert share == f"{facts['positives'] / (facts['positives'] + facts['negatives']):.3f}"


@pytest.mark.parametrize("name", ["five", "ordinal", "multilabel"])
def test_calibration_of_each_class(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    per_class = winner(report)["test"]["per_class"]
    _, *rows = Page(report["html"]).tables["Calibration by class"]
    figures = {label: per_class[label]["calibration"] for label in report["metrics"]["scored"]}
    keys = ("ece", "brier", "slope", "intercept")
    assert rows == [[label, *(f"{f[k]:.3f}".replace("-", "−") for k in keys)] for label, f in figures.items()]
