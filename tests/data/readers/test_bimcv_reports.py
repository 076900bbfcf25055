from pathlib import Path

import pytest

from medgraft.data.readers.bimcv_reports import NO_LIST, Session, listed, read_reports, truths_of_report


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        (None, set()),
        ("[]", set()),
        ("['']", set()),
        ("['normal']", {"normal"}),
        ("['Normal', 'pleural effusion']", {"normal", "pleural effusion"}),
        ("[' pneumonia'\t 'COVID 19'\t '']", {"pneumonia", "covid 19"}),
        ("['pneumonia' 'normal']", {"pneumonia", "normal"}),  # to Python, one word
        ("[\"laminar atelectasis\", 'gynecomastia', ]", {"laminar atelectasis", "gynecomastia"}),
        ("normal", None),
        ("['normal'", None),
        ("[normal]", None),
        ("['normal", None),
        ("[__import__('os')]", None),
        ("[['normal']]", None),
        ("]", None),
        ("[", None),
    ],
)
def test_lists_as_python_writes_them(cell: str | None, items: set[str] | None) -> None:
    assert listed(cell) == items


def test_long_cells_take_no_time() -> None:
    assert listed("[" + "'a' " * 200_000 + "]") == {"a"}
    assert listed("[" + "\\'" * 200_000 + "]") is None


def test_what_is_not_named() -> None:
    findings = {"mass": ["mass"]}
    assert truths_of_report({"normal"}, findings, "unknown", "unknown") == ({"mass": 0}, None)
    assert truths_of_report({"normal", "unchanged"}, findings, "unknown", "zeros") == ({"mass": None}, None)
    assert truths_of_report({"mass", "unchanged"}, findings, "unknown", "zeros") == ({"mass": 1}, None)
    assert truths_of_report({"mass uncertain", "mass"}, findings, "zeros", "zeros") == ({"mass": 1}, None)
    assert truths_of_report(set(), findings, "unknown", "zeros") == ({"mass": 0}, None)
    assert truths_of_report(None, findings, "unknown", "zeros") == (None, NO_LIST)


def test_several_reports_of_a_session_add_up(tmp_path: Path) -> None:
    rows = [("s", "e", "['mass']"), ("s", "e", "['nodule']"), ("s", "f", "mass"), ("s", "f", "['mass']")]
    for name, part in (("a.tsv", rows[:1]), ("b.tsv", rows[1:])):
        lines = ["PatientID\tReportID\tLabels", *("\t".join(row) for row in part)]
        (tmp_path / name).write_text("\n".join(lines))
    found = read_reports(tmp_path, ["*.tsv"])
    assert found == {Session("s", "e"): {"mass", "nodule"}, Session("s", "f"): None}
