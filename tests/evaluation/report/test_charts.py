import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from medgraft.evaluation.report import charts
from medgraft.evaluation.report.svg import line


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_area_under_the_drawn_steps_is_average_precision(decimals: int, backwards: bool) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, size=200)
    score = (y + rng.normal(size=200)).round(decimals)
    precision, recall, _ = precision_recall_curve(y, score)
    points = pl.DataFrame({"x": recall, "y": precision})
    x, height = charts.recall_steps(points.reverse() if backwards else points)
    assert np.sum(np.diff(x) * height[1:]) == pytest.approx(average_precision_score(y, score))


def curve(*means: float, band: float | None = 0.02) -> list[dict[str, object]]:
    return [
        {
            "train_images": 50 * 4**i,
            "mean": mean,
            "low": None if band is None else mean - band,
            "high": None if band is None else mean + band,
            "seeds": [mean - 0.01, mean + 0.01],
        }
        for i, mean in enumerate(means)
    ]


def shapes(chart: str, kind: str) -> int:
    return len(re.findall(rf'<g id="c-{kind}_\d+">', chart))


def test_a_withheld_band_is_not_drawn_and_the_rest_is() -> None:
    lines = {"a": line(0), "b": line(1)}
    with_band, without = (
        charts.learning_curve("a", {"a": curve(0.7, 0.8, band=band), "b": curve(0.6, 0.7)}, lines, "AUROC", "c")
        for band in (0.02, None)
    )
    points = [len(re.findall(r"\bd=\"([^\"]*)\"", chart)) for chart in (with_band, without)]
    assert points[0] > points[1]
    assert shapes(with_band, "line2d") == shapes(without, "line2d")
    assert "nan" not in without


def test_curves_of_a_study_have_the_same_axes() -> None:
    curves = {"low": curve(0.55, 0.6), "high": curve(0.9, 0.97)}
    lines = {"low": line(0), "high": line(1)}
    ticks = [_texts(charts.learning_curve(name, curves, lines, "AUROC", "c")) for name in curves]
    assert ticks[0] == ticks[1]
    assert {"50", "200"} <= set(ticks[0])


def test_numbers_of_images_that_would_overlap_are_not_all_written() -> None:
    crowded = [
        row | {"train_images": n} for row, n in zip(curve(0.6, 0.7, 0.8, 0.9), (100, 950, 980, 1000), strict=True)
    ]
    texts = _texts(charts.learning_curve("a", {"a": crowded}, {"a": line(0)}, "AUROC", "c"))
    assert {"100", "1,000"} <= set(texts)
    assert not {"950", "980"} & set(texts)


def test_bins_without_a_band_keep_their_dot() -> None:
    bins = pl.DataFrame(
        {"mean_predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [None, None], "high": [None, None]},
        schema_overrides={"low": pl.String, "high": pl.String},  # as an all-empty CSV column is read
    )
    chart = charts.reliability(bins, "malignant", "c")
    assert chart.count("<use") >= 2
    assert "0.200 at 0.100, 0.800 at 0.900" in ET.fromstring(chart).attrib["aria-label"]


def _texts(chart: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(chart).iter() if element.tag.endswith("text")]


def decisions(*net_benefit: float | None) -> pl.DataFrame:
    columns = {"threshold": [0.1, 0.2, 0.3], "net_benefit": net_benefit, "low": [None] * 3, "high": [None] * 3}
    return pl.DataFrame(columns | {"treat_all": [0.2, -0.1, -40.0]}, strict=False)


def test_decision_curves_show_what_is_above_and_a_little_below_nothing() -> None:
    lines = {"model": line(0), "reference": line(1)}
    chart = charts.decision_curve(
        {"model": decisions(0.3, 0.2, 0.1), "reference": decisions(0.2, 0.1, None)}, lines, "x", "c"
    )
    assert (
        "net benefit of the chosen model 0.300 at 0.1, 0.200 at 0.2, 0.100 at 0.3"
        in ET.fromstring(chart).attrib["aria-label"]
    )
    assert "nan" not in chart
    written = [float(text.replace("−", "-")) for text in _texts(chart) if re.fullmatch(r"−?\d\.\d+", text)]
    assert min(written) >= -0.1  # of the axes; treating all goes down to -40
    deep = charts.decision_curve({"model": decisions(0.3, -0.2, -9.0)}, lines, "x", "c")
    assert "−0.3" in _texts(deep)
