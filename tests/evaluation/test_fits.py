from typing import Any

import pytest

from medgraft.evaluation.fits import edge_cautions, fusion


def probe(strength: float, edge: bool) -> dict[str, Any]:
    return {"strength": strength, "strength_at_edge": edge, "cross_validated_loss": 0.5, "folds": 5}


def test_no_caution_where_nothing_is_at_an_edge() -> None:
    trained = {"steps": 10, "best_step": 5}
    assert edge_cautions([trained, probe(0.1, False), {"probe": probe(1.0, False)} | trained]) == []


def test_runs_at_an_edge_are_counted() -> None:
    fits = [probe(1e-6, True), probe(0.1, False), probe(1e-6, True), probe(100.0, True)]
    assert edge_cautions(fits) == [
        "The regularisation of the probe ended at the edge of the grid (C = 1e-06 and 100) in 3 of 4 runs: a better "
        "one may lie beyond."
    ]


@pytest.mark.parametrize(
    ("fit", "whose"),
    [
        ({"steps": 10, "probe": probe(1e-6, True)}, "the probe"),
        ({"members": {"imagenet": probe(0.1, False), "xray": probe(1e-6, True)}}, "the probe of xray"),
    ],
)
def test_probes_are_found_wherever_strategies_write_them(fit: dict[str, Any], whose: str) -> None:
    (caution,) = edge_cautions([fit])
    assert caution.startswith(f"The regularisation of {whose} ended at the edge of the grid (C = 1e-06) in 1 of 1 runs")


def test_fusion_is_of_attention_alone() -> None:
    assert fusion({"validation_loss": 0.5, "steps": 10}) is None
    two = {"validation_loss": 0.5, "attention": {"a": 0.6, "b": 0.4}, "steps": 10}
    assert fusion(two) == {
        "attention": {"a": 0.6, "b": 0.4},
        "validation_loss": 0.5,
        "validation_loss_without": None,
    }
    without = {"a": 0.6, "b": 0.5, "c": 0.5}
    three = fusion(two | {"validation_loss_without": without})
    assert three is not None
    assert three["validation_loss_without"] == without
