"""What a prediction is about: every rule for probabilities and truths, and what is refused."""

import numpy as np
import polars as pl
import pytest
from tests.evaluation.made_up import judge, rows, split

from medgraft.data.labels import Label
from medgraft.errors import UserError
from medgraft.evaluation.parts import part, part_warnings, refuse_contradictions, refuse_unusable
from medgraft.evaluation.uncertainty import resampling
from medgraft.evaluation.units import aggregate, unit_of_rows, unit_truths
from medgraft.params import Task

UNIT = np.array([0, 1, 0, 1, -1])
P = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8], [0.0, 1.0]])
NAN = float("nan")


def test_probabilities_are_means_or_the_largest() -> None:
    np.testing.assert_allclose(aggregate(P, UNIT, "binary", "mean"), [[0.7, 0.3], [0.3, 0.7]])
    np.testing.assert_allclose(aggregate(P, UNIT, "binary", "max"), [[0.5, 0.5], [0.2, 0.8]])
    np.testing.assert_array_equal(aggregate(P, UNIT, "multilabel", "max"), [[0.9, 0.5], [0.4, 0.8]])
    np.testing.assert_allclose(aggregate(P, UNIT, "multilabel", "mean"), [[0.7, 0.3], [0.3, 0.7]])
    for task in ("multiclass", "ordinal"):
        with pytest.raises(ValueError, match="largest"):
            aggregate(P, UNIT, task, "max")


def test_a_finding_is_absent_only_where_it_is_absent_in_all() -> None:
    images = np.array([[1, 0, 0, NAN], [0, 0, NAN, NAN]])
    truths, contradicts = unit_truths(images, np.array([0, 0]), "multilabel")
    np.testing.assert_array_equal(truths, [[1, 0, NAN, NAN]])
    assert not contradicts.any()
    truths, _ = unit_truths(np.array([[1.0], [NAN]]), np.array([0, 0]), "multilabel")
    assert truths.tolist() == [[1]]


def test_the_highest_grade_counts_and_classes_must_agree() -> None:
    images = np.eye(3)[[0, 2, 1, 1, 0]]
    unit = np.array([0, 0, 1, 1, 1])
    truths, contradicts = unit_truths(images, unit, "ordinal")
    assert truths.argmax(axis=1).tolist() == [2, 1]
    assert not contradicts.any()
    _, contradicts = unit_truths(images, unit, "multiclass")
    assert contradicts.tolist() == [True, True]
    truths, _ = unit_truths(np.eye(2)[[0, 1, 0]], np.array([0, 0, 1]), "binary")
    assert truths.tolist() == [[0, 1], [1, 0]]


def test_units_of_rows() -> None:
    table, _ = rows([0, 0, 0, 0], [3, 1, 3, 1], study_id=["b", "a", "c", "a"])
    assert unit_of_rows(table, "image").tolist() == [0, 1, 2, 3]
    assert unit_of_rows(table, "group").tolist() == [1, 0, 1, 0]
    assert unit_of_rows(table, "study").tolist() == [1, 0, 2, 0]
    with pytest.raises(UserError, match="4 of 4 images have no study"):
        unit_of_rows(table.with_columns(study_id=pl.lit(None, pl.String)), "study")
    with pytest.raises(UserError, match="1 of 3 studies have images of several patients"):
        unit_of_rows(table.with_columns(study_id=pl.Series(["a", "a", "b", "c"])), "study")


def test_an_image_is_its_own_unit_and_nothing_changes() -> None:
    of = split(judge("binary"))
    np.testing.assert_array_equal(of.unit, np.arange(160))
    np.testing.assert_array_equal(of.truths, of.image_truths)
    p = np.random.default_rng(0).random((160, 2))
    assert of.of_units(p) is p
    np.testing.assert_array_equal(of.groups, np.arange(160) // 2)
    np.testing.assert_array_equal(of.sampling.weights, resampling(of.groups, 2000, 0).weights)


@pytest.mark.parametrize("unit", ["study", "group"])
@pytest.mark.parametrize("task", ["binary", "ordinal", "multilabel"])
def test_units_of_a_split(unit: str, task: Task) -> None:
    of = split(judge(task, unit=unit), images=4)
    assert len(of.truths) == len(of.groups) == {"study": 160, "group": 80}[unit]
    assert of.left_out == 0
    for u in range(len(of.truths)):
        inside = of.rows.filter(pl.Series(of.unit == u))
        assert inside[f"{unit}_id"].n_unique() == 1
        assert inside["group_id"].unique().to_list() == [f"g{of.groups[u]:04d}"]
    assert of.patients(1).max() <= 80
    half = of.units(np.arange(len(of.truths)) % 2 == 0)
    np.testing.assert_array_equal(half.truths, of.truths[::2])
    np.testing.assert_array_equal(half.sampling.weights, of.sampling.weights[:, ::2])
    p = np.random.default_rng(0).random(of.image_truths.shape)
    np.testing.assert_array_equal(
        half.of_units(p[np.isin(of.unit, np.arange(0, len(of.truths), 2))]), of.of_units(p)[::2]
    )


def test_units_that_contradict_themselves_are_refused_or_left_out() -> None:
    labels: list[Label] = [0, 0, 1, 2, 2, 2, 1, 0]
    groups = [0, 0, 1, 1, 2, 2, 3, 3]
    of = part("test", *rows(labels, groups), judge("multiclass", unit="group"))
    assert of.left_out == 2
    assert of.truths.argmax(axis=1).tolist() == [0, 2]
    assert of.unit.tolist() == [0, 0, -1, -1, 1, 1, -1, -1]
    assert len(of.labels) == len(of.rows) == 8  # predictions are kept of every image
    p = np.random.default_rng(0).dirichlet(np.ones(3), 8)
    np.testing.assert_allclose(of.of_units(p), [p[:2].mean(axis=0), p[4:6].mean(axis=0)])
    warning = part_warnings(of)[0]
    assert warning == "2 of 4 test patients have images of several classes: they are left out of every figure."
    with pytest.raises(UserError, match=r"2 of 4 test patients have images .*Set evaluation\.unit to image"):
        refuse_contradictions(of)
    agreeing = part("test", *rows([0, 0, 1, 1], [0, 0, 1, 1]), judge("multiclass", unit="group"))
    assert not any("several classes" in warning for warning in part_warnings(agreeing))
    refuse_contradictions(agreeing)


def test_patients_that_are_no_longer_negative_are_missed() -> None:
    """Of 20 patients with 3 images, half of them positive, hardly one has none."""
    labels: list[Label] = [int(i % 3 == p % 3) if p < 18 else 0 for p in range(20) for i in range(3)]
    table, known = rows(labels, [p for p in range(20) for _ in range(3)])
    assert part_warnings(part("test", table, known, judge("binary"))) == []
    [warning] = part_warnings(part("test", table, known, judge("binary", unit="group")))
    assert warning.startswith("c1: 18 positive and 2 negative patients in test, counted by patients (fewer than 10)")


def test_what_cannot_be_used_is_known_before_labels_are() -> None:
    table, _ = rows([0] * 4, [0, 0, 1, 1])
    refuse_unusable(table, judge("binary", unit="group"))
    with pytest.raises(UserError, match="no study"):
        refuse_unusable(table, judge("binary", unit="study"))
    with pytest.raises(UserError, match=r"1 patient\(s\)"):
        refuse_unusable(table.with_columns(group_id=pl.lit("g")), judge("binary"))
