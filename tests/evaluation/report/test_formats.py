import pytest

from medgraft.evaluation.report import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.91249, "0.912"), (-0.0126, "−0.013"), (-0.0004, "0.000"), (0.0, "0.000"), (1.0, "1.000"), (None, "undefined")],
)
def test_number_has_three_decimals_and_no_negative_zero(value: float | None, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0126, "+0.013"), (-0.0126, "−0.013"), (0.0004, "0.000"), (-0.0004, "0.000"), (None, "undefined")],
)
def test_signed_tells_the_direction_unless_it_rounds_to_nothing(value: float | None, text: str) -> None:
    assert formats.signed(value) == text


def test_units() -> None:
    assert formats.parameters(1_234_567) == "1.23 M"
    assert formats.parameters(86_000_000) == "86.00 M"
    assert formats.macs(45_400_000) == "45 MMACs"
    assert formats.macs(4_520_000) == "4.5 MMACs"
    assert formats.macs(4_120_000_000) == "4,120 MMACs"
    assert formats.size(4_210_000) == "4.2 MB"


def test_percentages() -> None:
    assert formats.percent(0.0432) == "4.3 %"
    assert [formats.plain_percent(share) for share in (0.95, 0.1, 0.125, 1.0)] == ["95 %", "10 %", "12.5 %", "100 %"]


def test_counts() -> None:
    assert [formats.count(value) for value in (12345, 1022.5, 2.0)] == ["12,345", "1,022.5", "2"]
    assert [formats.plural(value, "image") for value in (1, 0, 1200)] == ["1 image", "0 images", "1,200 images"]
    assert [formats.times(value) for value in (1, 3)] == ["once", "3 times"]


def test_a_metric_is_macro_only_where_it_is_a_mean_over_classes() -> None:
    assert formats.headline("auroc", "binary") == "AUROC"
    assert formats.headline("auroc", "multiclass") == "macro AUROC"
    assert formats.headline("balanced_accuracy", "multiclass") == "balanced accuracy"


def test_breakable_escapes() -> None:
    assert formats.breakable("full_<b>") == "full_<wbr>&lt;b&gt;"


@pytest.mark.parametrize(
    ("metric", "task", "name"),
    [
        ("auroc", "ordinal", "macro AUROC"),
        ("auprc", "multilabel", "macro AUPRC"),
        ("balanced_accuracy", "ordinal", "balanced accuracy"),
        ("balanced_accuracy", "multilabel", "macro balanced accuracy"),
        ("quadratic_kappa", "ordinal", "quadratic-weighted kappa"),
    ],
)
def test_names_of_the_headline_metric(metric: str, task: str, name: str) -> None:
    assert formats.headline(metric, task) == name


def test_plurals_of_units() -> None:
    assert [formats.plural(value, "study") for value in (1, 2)] == ["1 study", "2 studies"]
    assert formats.plural(2, "patient") == "2 patients"


def test_rows_are_grouped_in_the_order_they_stand_in() -> None:
    rows = [{"class": name, "n": n} for n, name in enumerate("baba")]
    found = formats.groupby_order(rows, "class")
    assert [(name, [row["n"] for row in of]) for name, of in found] == [("b", [0, 2]), ("a", [1, 3])]
