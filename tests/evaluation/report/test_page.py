"""The report as a whole: right numbers, nothing from outside, nothing unescaped, the same bytes again."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.evaluation.report.evaluations import NAMES
from tests.evaluation.report.reading import Page
from tests.evaluation.report.searching import cut_search, fusion, source_search

from medgraft.evaluation.report import write_report

Result = dict[str, Any]
Build = Callable[..., Result]
REPORTS = ("binary", "five", "single", "ordinal", "multilabel", "searching")


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Result:
    made: Result = request.getfixturevalue(request.param)
    return made


def plain(value: float) -> str:
    return f"{value:.3f}"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def interval(figure: Result, write: Callable[[float], str] = plain) -> str:
    if figure["low"] is None:
        return f"{write(figure['estimate'])} withheld ({100 * figure['undefined_share']:.1f} % undefined draws)"
    dash = "–" if write is plain else " to "
    return f"{write(figure['estimate'])} ({write(figure['low'])}{dash}{write(figure['high'])})"


def latency(cost: Result, batch: int) -> str:
    """Of an image."""
    low, median, high = (cost[f"latency_ms_batch{batch}_{key}"] / batch for key in ("low", "median", "high"))
    return f"{milliseconds(median)} ({milliseconds(low)}–{milliseconds(high)})"


def milliseconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def test_every_number_of_the_leaderboard(report: Result) -> None:
    metrics, cost = report["metrics"], report["arguments"]["cost"]
    _, *rows = Page(report["html"]).tables["Leaderboard"]
    expected = []
    for rank, row in enumerate(report["selection"]["rows"], start=1):
        name = row["name"]
        facts = metrics["candidates"][name]
        difference = facts["difference"]
        expected.append(
            [
                str(rank),
                f"{name} chosen" if name == metrics["winner"] else name,
                facts["strategy"],
                ", ".join(facts["initializations"]) or "none",
                f"{facts['parameters'] / 1e6:.2f} M",
                f"{facts['macs'] / 1e6:.0f} MMACs",
                f"{facts['size_bytes'] / 1e6:.1f} MB",
                *(latency(cost[name], batch) for batch in (1, 32)),
                f"{facts['validation']['score']:.3f} ± {facts['validation']['standard_error']:.3f}",
                "yes" if row["admissible"] else "no",
                interval(facts["test"]["macro"]["auroc"]),
                "reference" if difference is None else interval(difference["auroc"], signed),
            ]
        )
    assert rows == expected


def test_every_row_of_the_choice(report: Result) -> None:
    _, *rows = Page(report["html"]).tables["Choice on validation"]
    for cells, row in zip(rows, report["selection"]["rows"], strict=True):
        assert cells[0].split()[0] == row["name"]
        assert cells[1:3] == [str(row["seeds"]), f"{row['mean']:.4f}"]
        if row["name"] != report["selection"]["best"]:
            missing = "" if row["seed_variance_known"] else " *"
            assert cells[3:5] == [f"{row['difference']:.4f}", f"{row['standard_error']:.4f}{missing}"]


def test_the_answer_in_one_sentence(binary: Result) -> None:
    metrics = binary["metrics"]
    figure = metrics["candidates"][metrics["winner"]]["test"]["macro"]["auroc"]
    test = metrics["dataset"]["splits"]["test"]
    assert (
        f"{metrics['winner']} was chosen: AUROC {figure['estimate']:.3f} "
        f"(95 % CI {figure['low']:.3f}–{figure['high']:.3f}) "
        f"on the sealed test split of {test['images']} images from {test['groups']} patients, opened 3 times."
    ) in Page(binary["html"]).text


def test_notice_and_warnings_come_before_the_answer(binary: Result) -> None:
    text = Page(binary["html"]).text
    positions = [
        text.index(part) for part in ("Not a medical device.", "No patient column", "was chosen", "Leaderboard")
    ]
    assert positions == sorted(positions)


def test_repeated_openings_are_cautioned_against(binary: Result, five: Result) -> None:
    caution = "The labels of this test set have been opened"
    assert f"{caution} 3 times" in Page(binary["html"]).text
    assert caution not in Page(five["html"]).text
    assert "opened once." in Page(five["html"]).text


def test_withheld_intervals_say_so(five: Result) -> None:
    metrics, page = five["metrics"], Page(five["html"])
    winner = metrics["candidates"][metrics["winner"]]["test"]
    rare = winner["per_class"]["actinic keratosis"]["auroc"]
    assert rare["low"] is None
    share = f"{100 * rare['undefined_share']:.1f} % undefined draws"
    assert f"(95 % CI withheld: {share})" in page.text
    (row,) = [row for row in page.tables["Figures by class"] if row[0] == "actinic keratosis"]
    assert row[4] == f"{rare['estimate']:.3f} withheld ({share})"
    assert "Where there is no band, the interval is withheld." in page.text


def test_no_value_is_blank_or_nan(report: Result) -> None:
    page = Page(report["html"])
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", page.text)
    assert all(cell for rows in page.tables.values() for row in rows for cell in row)
    assert not re.search(r"\bnan\b", report["html"], re.IGNORECASE)


def test_figures_by_class(five: Result) -> None:
    metrics, page = five["metrics"], Page(five["html"])
    figures = metrics["candidates"][metrics["winner"]]["test"]["per_class"]
    classes = page.tables["Figures by class"]
    assert [row[0] for row in classes[1:-1]] == metrics["scored"]
    for label, row in zip(metrics["scored"], classes[1:-1], strict=True):
        facts = figures[label]
        counts = [str(facts[key]) for key in ("positives", "negatives", "positive_groups")]
        assert row == [label, *counts, *(interval(facts[key]) for key in ("auroc", "auprc", "f1", "recall"))]
    assert "dermatofibroma: 8 positive patients in validation" in page.text


def test_confusion_matrix(five: Result) -> None:
    metrics = five["metrics"]
    matrix = metrics["candidates"][metrics["winner"]]["test"]["confusion"]
    _, *rows = Page(five["html"]).tables["Confusion matrix"]
    for cells, label, counts in zip(rows, metrics["classes"], matrix, strict=True):
        shares = [f"{n}{100 * n / sum(counts):.1f} %" for n in counts]
        assert cells == [label, *shares, str(sum(counts))]


def test_calibration_numbers(report: Result) -> None:
    winner = report["metrics"]["candidates"][report["metrics"]["winner"]]
    page = Page(report["html"])
    before, after = winner["calibration"]["before"], winner["calibration"]["after"]
    rows = page.tables["Calibration before and after"][1:]
    pairs = [[plain(before[key]), plain(after[key])] for key in ("nll", "brier", "ece")]
    assert [row[1:3] for row in rows[:3]] == pairs
    assert f"temperature {winner['temperature']:.3f}" in page.text


def test_learning_curves_as_a_table_and_a_chart_each(binary: Result) -> None:
    page = Page(binary["html"])
    _, *rows = page.tables["Learning curves as a table"]
    candidates = [binary["metrics"]["candidates"][row["name"]] for row in binary["selection"]["rows"]]
    expected = [
        [
            f"{100 * point['fraction']:g} %",
            str(point["train_images"]),
            str(point["train_groups"]),
            plain(point["mean"]),
            f"{point['low']:.3f}–{point['high']:.3f}",
            plain(point["seed_sd"]),
            ", ".join(map(plain, point["seeds"])),
        ]
        for candidate in candidates
        for point in candidate["curve"]
    ]
    assert [row[-7:] for row in rows] == expected
    labels = [attributes["aria-label"] or "" for tag, attributes in page.elements if attributes.get("role") == "img"]
    assert sum(label.startswith("Learning curve of") for label in labels) == len(NAMES)
    assert (
        f"{binary['metrics']['candidates'][NAMES[0]]['curve'][0]['validation_images']} validation images" in page.text
    )


def test_one_fraction_and_one_seed(single: Result) -> None:
    page = Page(single["html"])
    assert "no curve to draw" in page.text
    assert "One seed only: the spread between seeds is not known" in page.text
    assert "* One seed only, so the variance between seeds is not in this standard error" in page.text
    assert not any(
        "Learning curve" in (attributes.get("aria-label") or "")[:14]
        for tag, attributes in page.elements
        if tag == "svg"
    )


def test_nothing_is_loaded_from_outside(report: Result) -> None:
    page = Page(report["html"])
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base"}
    for tag, attributes in page.elements:
        assert not {"srcset", "data", "action"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        if "src" in attributes:
            assert tag == "img"
            assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+=*", attributes["src"] or "")
    assert not re.search(r"@import|url\((?!#)", report["html"])
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_ids_are_unique_and_links_lead_somewhere(report: Result) -> None:
    page = Page(report["html"])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {(attributes.get("href") or "#")[1:] for _, attributes in page.elements} - {""}
    labelled = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert links | labelled <= set(ids)


def test_charts_and_pictures_have_a_description_and_tables_have_headers(report: Result) -> None:
    page = Page(report["html"])
    charts = [attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) >= 3
    assert all(len(chart["aria-label"] or "") > 20 for chart in charts)
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) >= 12
    assert all(len(picture["alt"] or "") > 10 for picture in pictures)
    headers = [attributes for tag, attributes in page.elements if tag == "th"]
    assert all(header["scope"] in ("col", "row", "rowgroup") for header in headers)


def test_hostile_names_stay_text(build: Build) -> None:
    classes = ("$\\frac{_<b>", '"><script>alert("&amp;")</script>')
    names = ("_x' onload='alert(1)", "</style><img src=http://example.org/x>")
    warning = "<iframe src='javascript:alert(1)'></iframe> & more"
    subgroups = {"<svg onload=alert(2)>": ("<b>", "{{ 7 * 7 }}", "unknown")}
    sources = ("<b>c</b>", "{{ 8 * 8 }}", "<i>")
    report = build(
        classes=classes,
        names=names,
        warnings=[warning],
        fractions=(0.5, 1.0),
        seeds=(0,),
        subgroups=subgroups,
        searches={names[0]: source_search(sources), names[1]: cut_search()},
        fusions={names[0]: fusion(sources)},
    )
    page = Page(report["html"])
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "b", "i"}
    assert all((attributes["src"] or "").startswith("data:") for tag, attributes in page.elements if tag == "img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    for name in (*classes, *names, *sources, warning, *subgroups, *next(iter(subgroups.values()))):
        assert name in page.text


def test_classes_named_by_numbers(build: Build) -> None:
    report = build(classes=("0", "1"), names=NAMES[:2], fractions=(1.0,), seeds=(0,))
    assert [row[0] for row in Page(report["html"]).tables["Figures by class"][1:]] == ["1"]


def test_the_same_inputs_give_the_same_bytes(report: Result) -> None:
    write_report(report["folder"], **report["arguments"])
    assert (report["folder"] / "report.html").read_text("utf-8") == report["html"]


def test_ungrouped_images_are_not_called_patients(build: Build) -> None:
    report = build(names=NAMES[:1], fractions=(1.0,), seeds=(0,))
    card = report["arguments"]["dataset_card"]
    test = card["splits"]["test"]
    splits = card["splits"] | {"test": test | {"groups": test["images"]}}
    write_report(report["folder"], **report["arguments"] | {"dataset_card": card | {"splits": splits}})
    text = Page((report["folder"] / "report.html").read_text("utf-8")).text
    assert f"{test['images']} images, each taken as a patient of its own" in text


def test_provenance_and_licences(binary: Result) -> None:
    arguments, page = binary["arguments"], Page(binary["html"])
    assert page.tables["Initializations"][1][3:] == [
        arguments["initializations"]["imagenet"][k] for k in ("source", "licence")
    ]
    assert [row[2] for row in page.tables["Provenance"][1:]] == [
        item["fingerprint"] for item in arguments["provenance"]
    ]
    assert arguments["dataset_card"]["test_set"] in page.text


def test_a_ledger_of_another_test_set_is_refused(single: Result) -> None:
    ledger = single["arguments"]["ledger"] | {"test_set": "0" * 32}
    with pytest.raises(ValueError, match="not of one test set"):
        write_report(single["folder"], **single["arguments"] | {"ledger": ledger})
