"""Thresholds do on validation what they promise, and not a step more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from medgraft.errors import UserError
from medgraft.evaluation.operating import (
    decide,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)

cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=25)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(case=cases.filter(lambda c: any(y == 0 for y, _ in c)), percent=st.integers(0, 100))
def test_the_threshold_reaches_the_specificity_and_the_next_lower_does_not(
    case: list[tuple[int, int]], percent: int
) -> None:
    outcome, score = (np.array(column) for column in zip(*case, strict=True))
    score = score / 7
    threshold = threshold_at_specificity(outcome, score, percent / 100)
    negatives = score[outcome == 0]
    assert 100 * (negatives < threshold).sum() >= percent * len(negatives)
    lower = np.unique(score[score < threshold])
    assert threshold in score or threshold == np.nextafter(score.max(), np.inf)
    if len(lower):
        assert 100 * (negatives < lower[-1]).sum() < percent * len(negatives)


@pytest.mark.parametrize("percent", range(101))
def test_a_target_that_is_just_met_is_met(percent: int) -> None:
    """Of 100 negatives, 0.07 must need 7, though 0.07 × 100 > 7 in floating point."""
    score = np.arange(100) / 100
    threshold = threshold_at_specificity(np.zeros(100, dtype=np.int64), score, percent / 100)
    assert (score < threshold).sum() == percent


@settings(max_examples=200, deadline=None, derandomize=True)
@given(case=cases.filter(lambda c: any(y == 1 for y, _ in c)), percent=st.integers(1, 100))
def test_the_threshold_reaches_the_sensitivity_and_the_next_higher_does_not(
    case: list[tuple[int, int]], percent: int
) -> None:
    outcome, score = (np.array(column) for column in zip(*case, strict=True))
    score = score / 7
    threshold = threshold_at_sensitivity(outcome, score, percent / 100)
    positives = score[outcome == 1]
    assert threshold in score
    assert 100 * (positives >= threshold).sum() >= percent * len(positives)
    higher = np.unique(score[score > threshold])
    if len(higher):
        assert 100 * (positives >= higher[0]).sum() < percent * len(positives)


def test_only_a_threshold_above_all_scores_keeps_a_negative_at_the_top_out() -> None:
    outcome, score = np.array([1, 0]), np.array([1.0, 1.0])
    threshold = threshold_at_specificity(outcome, score, 0.9)
    assert threshold == np.nextafter(1.0, np.inf)
    assert decide(np.stack([1 - score, score], axis=1), threshold).tolist() == [0, 0]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(case=cases.filter(lambda c: len({y for y, _ in c}) == 2))
def test_youden_is_the_maximum_and_of_equals_the_more_sensitive(case: list[tuple[int, int]]) -> None:
    outcome, score = (np.array(column) for column in zip(*case, strict=True))
    score = score / 7
    false_alarms, sensitivity, _ = roc_curve(outcome, score, drop_intermediate=False)
    found = youden_threshold(outcome, score)
    reached = (score[outcome == 1] >= found).mean()
    index = reached - (score[outcome == 0] >= found).mean()
    assert index == pytest.approx((sensitivity - false_alarms).max(), abs=1e-12)
    equals = np.isclose(sensitivity - false_alarms, index, rtol=0, atol=1e-12)
    assert reached == pytest.approx(sensitivity[equals].max(), abs=1e-12)


def test_youden_closed_form() -> None:
    outcome, score = np.array([0, 0, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert youden_threshold(outcome, score) == 0.4


def test_decide() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]])
    assert decide(p, None).tolist() == [1, 0]
    binary = np.array([[0.7, 0.3], [0.71, 0.29]])
    assert decide(binary, 0.3).tolist() == [1, 0]
    assert decide(binary, None).tolist() == [0, 0]
    with pytest.raises(ValueError, match="not 3"):
        decide(p, 0.5)
    with pytest.raises(UserError, match="not finite"):
        decide(np.array([[np.nan, 0.5]]), None)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UserError, match="none of the 2 validation cases is negative"):
        threshold_at_specificity(np.array([1, 1]), np.array([0.1, 0.2]), 0.9)
    with pytest.raises(UserError, match="none of the 2 validation cases is positive"):
        threshold_at_sensitivity(np.array([0, 0]), np.array([0.1, 0.2]), 0.9)
    with pytest.raises(UserError, match="2 positive and 0 negative"):
        youden_threshold(np.array([1, 1]), np.array([0.1, 0.2]))
    with pytest.raises(UserError, match="not finite"):
        youden_threshold(np.array([1, 0]), np.array([np.nan, 0.2]))
    with pytest.raises(ValueError, match="n >= 1"):
        youden_threshold(np.empty(0, dtype=np.int64), np.empty(0))
