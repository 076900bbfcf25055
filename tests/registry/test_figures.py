import re
from pathlib import Path

import polars as pl
import pytest
from tests.evaluation.report.cohorts import FINDINGS, GRADES
from tests.evaluation.report.evaluations import NAMES
from tests.registry.evaluated import winner_of

from medgraft.registry.figures import candidate_measurements, flatten, headline, safe_names
from medgraft.registry.winner import Winner

HISTORY = pl.DataFrame(
    {"fraction": 0.5, "seed": 3, "step": [50, 100], "train_loss": [0.6, None], "validation_loss": [float("nan"), 0.5]}
)


def test_flattens_settings() -> None:
    settings = {"a": {"b": 1, "c": [1.0, 0.5]}, "d": None, "e": True, "f": {}, "g": {"/x (y)": 2}}
    flat = {"a.b": "1", "a.c": "1.0, 0.5", "d": "none", "e": "True", "g._x _y_": "2"}
    assert flatten(settings) == flat
    assert flatten({"x": 1}, "study") == {"study.x": "1"}


@pytest.mark.parametrize(
    "labels",
    [["a", "b c"], ["nodule, solid/part-solid", "nodule_ solid_part-solid"], ["..", "//", "?"], ["auroc", "é (ü)"]],
)
def test_names_of_classes_are_distinct_and_allowed(labels: list[str]) -> None:
    names = safe_names(labels)
    assert list(names.values()) == labels
    assert "auroc" not in names
    for name in names:
        assert re.fullmatch(r"[\w \-]+", name)  # MLflow also takes . : / in a metric, but / makes groups of them


def test_every_figure_has_its_value_and_what_has_none_is_left_out(winner: Winner) -> None:
    figures = winner.figures
    cost = {"threads": 2, "latency_ms_batch1_median": 3.5, "latency_ms_batch32_high": 80.5, "note": "text"}
    found = candidate_measurements(figures, "auroc", ["nodule, solid/part-solid"], HISTORY, cost)
    values = {(m.key, m.step): m.value for m in found}
    assert len(values) == len(found)
    auroc = figures["test"]["macro"]["auroc"]
    assert values["test/auroc", 0] == auroc["estimate"]
    assert values["test/auroc_low", 0] == auroc["low"]
    assert values["test/auroc_high", 0] == auroc["high"]
    assert values["test/nodule_ solid_part-solid/sensitivity_low", 0] == auroc["low"]
    assert values["validation/auroc", 0] == figures["validation"]["score"]
    assert values["calibration/after/slope", 0] == 1.1
    nodule = "nodule_ solid_part-solid"
    assert values[f"test/{nodule}/calibration/ece", 0] == 0.11
    assert values[f"test/{nodule}/calibration/slope", 0] == 1.1
    assert values[f"operating/sensitivity/{nodule}/threshold", 0] == 0.4
    assert values[f"operating/specificity/{nodule}/threshold", 0] == 0.5
    assert values[f"operating/specificity/{nodule}/ppv_low", 0] == auroc["low"]
    assert values[f"operating/specificity/{nodule}/prevalence", 0] == 0.05
    assert values["curve/auroc", 24] == figures["curve"][0]["mean"]
    measured = {key: value for (key, _), value in values.items() if key.startswith("cost/")}
    assert measured == {
        "cost/threads": 2.0,
        "cost/latency_ms_batch1_median": 3.5,
        "cost/latency_ms_batch32_high": 80.5,
    }
    fits = {key: value for key, value in values.items() if key[0].startswith("fit/")}
    assert fits == {
        ("fit/fraction_0.5/seed_3/train_loss", 50): 0.6,
        ("fit/fraction_0.5/seed_3/validation_loss", 100): 0.5,
    }
    assert not [key for key, _ in values if "clear" in key or key.endswith(("seed_sd", "note"))]
    assert (f"test/{nodule}/calibration/intercept", 0) not in values


@pytest.mark.parametrize(
    ("task", "classes", "keys"),
    [
        ("ordinal", GRADES, ("test/quadratic_kappa", "test/mae_low", "test/severe/calibration/brier")),
        ("multilabel", FINDINGS, ("test/effusion/decision_threshold", "test/effusion/unknown", "test/f1_high")),
    ],
)
def test_figures_of_other_tasks(
    winner: Winner, tmp_path: Path, task: str, classes: tuple[str, ...], keys: tuple[str, ...]
) -> None:
    other = winner_of(tmp_path, winner, task=task, classes=classes, names=NAMES[:1], fractions=(1.0,), seeds=(0,))
    scored = other.metrics["scored"]
    found = candidate_measurements(other.figures, "auroc", scored, HISTORY, {})
    values = {m.key: m.value for m in found}
    assert set(keys) <= set(values)
    for point in other.figures["test"]["operating"]:
        npv = values[f"operating/{point['target']}/{point['class']}/npv"]
        assert npv == point["npv"]["estimate"]
    assert not [key for key in values if "hernia" in key]


def test_headline_is_what_candidates_are_compared_by(winner: Winner) -> None:
    keys = {m.key for m in headline(winner.figures, "auroc")}
    assert {"validation/auroc", "validation/auroc_standard_error", "test/auroc", "test/f1_low"} <= keys
    assert not [key for key in keys if not key.startswith(("validation/", "test/"))]
