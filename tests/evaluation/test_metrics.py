"""Every metric against scikit-learn, one weighting at a time, under ties and zero weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medgraft.errors import UserError
from medgraft.evaluation import arrays, metrics
from medgraft.evaluation.arrays import Floats, Ints
from medgraft.evaluation.uncertainty import cluster_weights


def assert_equal(ours: Floats, theirs: Floats, name: str = "") -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, err_msg=name)


def example(seed: int, n: int, classes: int, levels: int) -> tuple[Ints, Floats]:
    """Labels and probabilities; the fewer levels, the more ties."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(1, levels + 1, size=(n, classes)).astype(np.float64)
    return rng.integers(classes, size=n), raw / raw.sum(axis=1, keepdims=True)


def reference(y: Ints, p: Floats, d: Ints, w: Floats, c: int) -> dict[str, float]:
    """scikit-learn's figures of class c under one weighting; NaN where medgraft calls them undefined."""
    positive, said = (y == c).astype(int), d == c
    has_positives, has_negatives = w[y == c].sum() > 0, w[y != c].sum() > 0
    nan = float("nan")
    both = has_positives and has_negatives
    return {
        "auroc": sk.roc_auc_score(positive, p[:, c], sample_weight=w) if both else nan,
        "auprc": sk.average_precision_score(positive, p[:, c], sample_weight=w) if both else nan,
        "f1": sk.f1_score(positive, said, sample_weight=w, zero_division=0) if has_positives else nan,
        "recall": sk.recall_score(positive, said, sample_weight=w) if has_positives else nan,
        "sensitivity": sk.recall_score(positive, p[:, c] >= 0.4, sample_weight=w) if has_positives else nan,
        "specificity": sk.recall_score(1 - positive, p[:, c] < 0.4, sample_weight=w) if has_negatives else nan,
    }


def compare(y: Ints, p: Floats, w: Floats) -> None:
    classes, d = p.shape[1], p.argmax(axis=1)
    thresholds = np.full(classes, 0.4)
    ours = {
        "auroc": metrics.auroc(y, p, w),
        "auprc": metrics.auprc(y, p, w),
        "f1": metrics.f1(y, d, w, classes),
        "recall": metrics.recall(y, d, w, classes),
        "sensitivity": metrics.sensitivity_at(y, p, thresholds, w),
        "specificity": metrics.specificity_at(y, p, thresholds, w),
    }
    theirs = [[reference(y, p, d, row, c) for c in range(classes)] for row in w]
    for name, values in ours.items():
        expected = np.array([[cell[name] for cell in row] for row in theirs])
        assert_equal(values, expected, name)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("levels", [2, 1000])
def test_equal_to_scikit_learn_under_fractional_and_zero_weights(classes: int, levels: int) -> None:
    y, p = example(classes + levels, 300, classes, levels)
    w = np.random.default_rng(1).exponential(size=(6, 300))
    w[1] = 1
    w[2:] *= np.random.default_rng(2).random((4, 300)) < 0.5
    compare(y, p, w)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), n=st.integers(2, 12), classes=st.integers(2, 4), levels=st.integers(1, 3))
def test_equal_to_scikit_learn_in_small_cases(data: st.DataObject, n: int, classes: int, levels: int) -> None:
    row = st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any)
    w = np.array(data.draw(st.lists(row, min_size=1, max_size=3)), dtype=np.float64)
    labels = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)
    y = np.array(data.draw(labels), dtype=np.int64)
    _, p = example(data.draw(st.integers(0, 99)), n, classes, levels)
    compare(y, p, w)


def test_closed_forms() -> None:
    y = np.array([0, 0, 1, 1])
    p1 = np.array([0.1, 0.4, 0.4, 0.8])
    p, one = np.stack([1 - p1, p1], axis=1), np.ones((1, 4))
    assert metrics.auroc(y, p, one)[0, 1] == 3.5 / 4
    assert metrics.auprc(y, p, one)[0, 1] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3, abs=1e-15)
    assert metrics.auroc(y, np.full((4, 2), 0.5), one).tolist() == [[0.5, 0.5]]
    d = np.array([0, 1, 1, 1])
    assert metrics.f1(y, d, one, 2)[0] == pytest.approx([2 / 3, 0.8], abs=1e-15)
    assert metrics.balanced_accuracy(y, d, one, 2, [0, 1]).tolist() == [0.75]


def test_weights_of_a_bootstrap_repeat_images() -> None:
    """A weight of k is k copies, and integer weights of any type give the same figure."""
    y, p = example(3, 80, 3, 4)
    w = cluster_weights(np.arange(80) // 2, 5, 7)
    for figure in (metrics.auroc, metrics.auprc):
        copies = [np.repeat(np.arange(80), row) for row in w]
        repeated = np.concatenate([figure(y[i], p[i], np.ones((1, len(i)))) for i in copies])
        assert_equal(figure(y, p, w), repeated)
        np.testing.assert_array_equal(figure(y, p, w), figure(y, p, w.astype(np.float64)))


def test_chunks_do_not_change_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = example(4, 60, 3, 5)
    w, d = cluster_weights(np.arange(60) // 3, 37, 1), p.argmax(axis=1)
    whole = metrics.auroc(y, p, w), metrics.auprc(y, p, w), metrics.f1(y, d, w, 3)
    monkeypatch.setattr(arrays, "_CHUNK", 5 * 60)
    chunked = metrics.auroc(y, p, w), metrics.auprc(y, p, w), metrics.f1(y, d, w, 3)
    for a, b in zip(whole, chunked, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_draw_cannot_tell_is_undefined() -> None:
    y, p = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    w, d = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]), p.argmax(axis=1)
    assert np.isnan(metrics.auroc(y, p, w)).all()
    assert np.isnan(metrics.auprc(y, p, w)).all()
    thresholds = np.array([0.5, 0.5])
    np.testing.assert_array_equal(metrics.recall(y, d, w, 2), [[0.5, np.nan], [np.nan, 0.5]])
    np.testing.assert_array_equal(metrics.sensitivity_at(y, p, thresholds, w), [[0.5, np.nan], [np.nan, 0.5]])
    np.testing.assert_array_equal(metrics.specificity_at(y, p, thresholds, w), [[np.nan, 0.5], [0.5, np.nan]])
    np.testing.assert_array_equal(metrics.f1(y, d, w, 2), [[2 / 3, np.nan], [np.nan, 2 / 3]])
    assert np.isnan(metrics.balanced_accuracy(y, d, w, 2, [0, 1])).all()


def test_a_threshold_counts_as_positive() -> None:
    y, p = np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]])
    one = np.ones((1, 2))
    assert metrics.sensitivity_at(y, p, np.array([0.5, 0.5]), one).tolist() == [[1, 1]]
    assert metrics.specificity_at(y, p, np.array([0.5, 0.5]), one).tolist() == [[0, 0]]


def test_macro_keeps_to_the_fixed_set() -> None:
    values = np.array([[0.2, 0.4, np.nan], [0.6, np.nan, 0.8]])
    np.testing.assert_array_equal(metrics.macro(values, [0, 1]), [(0.2 + 0.4) / 2, np.nan])
    np.testing.assert_array_equal(metrics.macro(values, [1]), values[:, 1])
    with pytest.raises(UserError, match="No class can be scored"):
        metrics.macro(values, [])


def test_bad_input_is_refused() -> None:
    y, p, one = np.array([0, 1]), np.array([[0.5, 0.5], [0.2, 0.8]]), np.ones((1, 2))
    with pytest.raises(UserError, match=r"1 of 4 predictions are not finite .*\(1, 0\), is nan"):
        metrics.auroc(y, np.array([[0.5, 0.5], [np.nan, 0.8]]), one)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1, got 0\.\.2"):
        metrics.auprc(np.array([0, 2]), p, one)
    with pytest.raises(ValueError, match="do not fit"):
        metrics.auroc(np.array([0, 1, 1]), p, one)
    with pytest.raises(ValueError, match="decisions"):
        metrics.f1(y, np.array([0]), one, 2)
    with pytest.raises(ValueError, match="at least one draw"):
        metrics.recall(y, y, np.ones((0, 2)), 2)
