"""Grades: the median decision, and kappa and error against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from medgraft.errors import UserError
from medgraft.evaluation.ordinal import mae, median_grade, quadratic_kappa


@pytest.mark.parametrize("classes", [2, 5])
def test_equal_to_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(classes, size=200)
    d = np.clip(y + rng.integers(-2, 3, size=200), 0, classes - 1)
    w = rng.exponential(size=(5, 200)) * (rng.random((5, 200)) < 0.7)
    kappa = [cohen_kappa_score(y, d, weights="quadratic", sample_weight=row) for row in w]
    np.testing.assert_allclose(quadratic_kappa(y, d, w, classes), kappa, rtol=0, atol=1e-12)
    error = [mean_absolute_error(y, d, sample_weight=row) for row in w]
    np.testing.assert_allclose(mae(y, d, w, classes), error, rtol=0, atol=1e-12)


def test_closed_forms() -> None:
    y, one = np.array([0, 1, 2, 3]), np.ones((1, 4))
    assert quadratic_kappa(y, y, one, 4)[0] == 1
    assert quadratic_kappa(y, y[::-1].copy(), one, 4)[0] == pytest.approx(-1)
    assert quadratic_kappa(y, np.full(4, 2), one, 4)[0] == 0  # a constant decision agrees by chance only
    assert mae(y, np.array([0, 3, 2, 2]), one, 4)[0] == 0.75
    # A confusion far off counts nine times one to the next grade.
    near, far = (quadratic_kappa(y, np.array(d), one, 4)[0] for d in ([1, 1, 2, 3], [3, 1, 2, 3]))
    assert 1 - far > 4 * (1 - near)


def test_what_a_draw_cannot_tell_is_undefined() -> None:
    y, d = np.array([1, 1, 2]), np.array([1, 1, 2])
    w = np.array([[1.0, 2, 0], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(quadratic_kappa(y, d, w, 3), [np.nan, 1, np.nan])
    np.testing.assert_array_equal(mae(y, d, w, 3), [0, 0, np.nan])


def test_the_median_of_two_heaps_is_not_the_likeliest_end() -> None:
    p = np.array([[0.4, 0.0, 0.3, 0.3], [0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    assert median_grade(p).tolist() == [2, 1, 2, 0, 3]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(parts=st.lists(st.integers(0, 8), min_size=2, max_size=6).filter(any))
def test_the_median_has_the_least_expected_error(parts: list[int]) -> None:
    p = np.array(parts) / sum(parts)
    grades = np.arange(len(p))
    expected = np.abs(np.subtract.outer(grades, grades)) @ p
    assert expected[median_grade(p[None])[0]] == pytest.approx(expected.min(), abs=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must lie in 0\.\.2, got 0\.\.3"):
        quadratic_kappa(np.array([0, 3]), np.array([0, 1]), np.ones((1, 2)), 3)
    with pytest.raises(ValueError, match="grades"):
        mae(np.array([0, 1]), np.array([0]), np.ones((1, 2)), 3)
    with pytest.raises(UserError, match="not finite"):
        median_grade(np.array([[np.nan, 1.0]]))
