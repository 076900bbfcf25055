"""Costs side by side: the right ratios to the right candidate."""

from typing import Any

import pytest
from tests.evaluation.report.evaluations import NAMES
from tests.evaluation.report.reading import Page

from medgraft.evaluation.report.efficiency import comparisons, latencies

Result = dict[str, Any]


def candidate(strategy: str, parameters: int, macs: int = 100) -> Result:
    return {"strategy": strategy, "parameters": parameters, "macs": macs, "size_bytes": 4 * parameters}


def cost(milliseconds: float) -> Result:
    """32 images take 16 times as long as one."""
    return {
        f"latency_ms_batch{batch}_{key}": milliseconds * factor * time
        for batch, time in ((1, 1), (32, 16))
        for key, factor in (("low", 0.9), ("median", 1.0), ("high", 1.2))
    }


def test_latencies_are_of_an_image() -> None:
    found = latencies({"a": cost(10.0)})["a"]
    assert found[1] == pytest.approx({"low": 9.0, "median": 10.0, "high": 12.0})
    assert found[32] == pytest.approx({"low": 4.5, "median": 5.0, "high": 6.0})


def test_ratios_are_to_the_candidate_that_fine_tunes_everything() -> None:
    candidates = {
        "cut": candidate("truncated", 250, 20),
        "all": candidate("full", 1000),
        "joint": candidate("dvme", 2000),
    }
    (found,) = comparisons(candidates, {"cut": cost(2.0), "all": cost(8.0), "joint": cost(20.0)})
    assert found.beside == "all"
    assert {key: cell.ratio for key, cell in found.rows["cut"].items()} == pytest.approx(
        {"parameters": 0.25, "macs": 0.2, "size_bytes": 0.25, "batch1": 0.25, "batch32": 0.25}
    )
    assert found.rows["joint"]["batch1"].value == 20.0
    assert found.rows["joint"]["batch1"].ratio == 2.5
    assert {cell.ratio for cell in found.rows["all"].values()} == {1.0}


def test_of_equal_sizes_the_first_is_taken_and_of_others_each() -> None:
    sizes = {"small": 10, "large": 100, "large again": 100}
    found = comparisons({name: candidate("full", size) for name, size in sizes.items()}, {})
    assert [comparison.beside for comparison in found] == ["small", "large"]
    assert found[0].rows["large"]["parameters"].ratio == 10.0
    assert found[0].rows["large"]["batch1"].value is None


def test_without_one_it_is_the_largest() -> None:
    (found,) = comparisons({"a": candidate("linear", 10), "b": candidate("dvme", 30), "c": candidate("linear", 20)}, {})
    assert found.beside == "b"


def test_every_number_of_the_table(binary: Result) -> None:
    metrics, measured = binary["metrics"]["candidates"], binary["arguments"]["cost"]
    page = Page(binary["html"])
    _, *rows = page.tables["Efficiency"]
    full = NAMES[0]
    assert f"What each candidate costs beside {full}, which is the whole network, fine-tuned." in page.text
    cells = {row[0].split()[0]: row[1:] for row in rows}
    assert list(cells) == [row["name"] for row in binary["selection"]["rows"]]
    assert all("×" not in cell for cell in cells[full])
    own, whole = metrics[NAMES[3]], metrics[full]
    medians = [[measured[n][f"latency_ms_batch{b}_median"] / b for b in (1, 32)] for n in (NAMES[3], full)]
    assert cells[NAMES[3]] == [
        f"{own['parameters'] / 1e6:.2f} M ×{own['parameters'] / whole['parameters']:.2f}",
        f"{own['macs'] / 1e6:.0f} MMACs ×{own['macs'] / whole['macs']:.2f}",
        f"{own['size_bytes'] / 1e6:.1f} MB ×{own['size_bytes'] / whole['size_bytes']:.2f}",
        f"{medians[0][0]:.1f} ms ×{medians[0][0] / medians[1][0]:.2f}",
        f"{medians[0][1]:.2f} ms ×{medians[0][1] / medians[1][1]:.2f}",
    ]
