"""Every metric against scikit-learn, one weighting at a time, under ties, zero weights and unknown truths."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchmetrics.classification import MultilabelAUROC, MultilabelAveragePrecision, MultilabelF1Score

from medgraft.errors import UserError
from medgraft.evaluation import arrays, metrics
from medgraft.evaluation.arrays import Bools, Floats, Weights
from medgraft.evaluation.uncertainty import cluster_weights


def assert_equal(ours: Floats, theirs: Floats, name: str = "") -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, err_msg=name)


def example(seed: int, n: int, classes: int, levels: int) -> tuple[Floats, Floats]:
    """Truths of classes that exclude each other, and probabilities; the fewer levels, the more ties."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(1, levels + 1, size=(n, classes)).astype(np.float64)
    return arrays.one_hot(rng.integers(classes, size=n), classes), raw / raw.sum(axis=1, keepdims=True)


def decided(p: Floats) -> Bools:
    """The likeliest class of each row."""
    return arrays.one_hot(p.argmax(axis=1), p.shape[1]).astype(np.bool_)


def with_unknown(truths: Floats, seed: int, share: float = 0.3) -> Floats:
    """The truths, some of them forgotten."""
    return np.where(np.random.default_rng(seed).random(truths.shape) < share, np.nan, truths)


def reference(truth: Floats, score: Floats, said: Bools, w: Floats) -> dict[str, float]:
    """scikit-learn's figures of a class under one weighting; NaN where medgraft calls them undefined."""
    known = ~np.isnan(truth)
    positive, score, said, w = truth[known].astype(int), score[known], said[known], w[known]
    has_positives, has_negatives = w[positive == 1].sum() > 0, w[positive == 0].sum() > 0
    nan = float("nan")
    both = has_positives and has_negatives
    return {
        "auroc": sk.roc_auc_score(positive, score, sample_weight=w) if both else nan,
        "auprc": sk.average_precision_score(positive, score, sample_weight=w) if both else nan,
        "f1": sk.f1_score(positive, said, sample_weight=w, zero_division=0) if has_positives else nan,
        "recall": sk.recall_score(positive, said, sample_weight=w) if has_positives else nan,
        "specificity": sk.recall_score(1 - positive, ~said, sample_weight=w) if has_negatives else nan,
        "balanced": sk.balanced_accuracy_score(positive, said, sample_weight=w) if both else nan,
        "sensitivity at": sk.recall_score(positive, score >= 0.4, sample_weight=w) if has_positives else nan,
        "specificity at": sk.recall_score(1 - positive, score < 0.4, sample_weight=w) if has_negatives else nan,
    }


def compare(truths: Floats, p: Floats, called: Bools, w: Floats) -> None:
    classes = p.shape[1]
    thresholds = np.full(classes, 0.4)
    ours = {
        "auroc": metrics.auroc(truths, p, w),
        "auprc": metrics.auprc(truths, p, w),
        "f1": metrics.f1(truths, called, w),
        "recall": metrics.recall(truths, called, w),
        "specificity": metrics.specificity(truths, called, w),
        "balanced": metrics.label_balanced_accuracy(truths, called, w),
        "sensitivity at": metrics.sensitivity_at(truths, p, thresholds, w),
        "specificity at": metrics.specificity_at(truths, p, thresholds, w),
    }
    theirs = [[reference(truths[:, c], p[:, c], called[:, c], row) for c in range(classes)] for row in w]
    for name, values in ours.items():
        expected = np.array([[cell[name] for cell in row] for row in theirs])
        assert_equal(values, expected, name)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("levels", [2, 1000])
def test_equal_to_scikit_learn_under_fractional_and_zero_weights(classes: int, levels: int) -> None:
    truths, p = example(classes + levels, 300, classes, levels)
    w = np.random.default_rng(1).exponential(size=(4, 300))
    w[1] = 1
    w[2:] *= np.random.default_rng(2).random((2, 300)) < 0.5
    compare(truths, p, decided(p), w)
    findings = with_unknown((np.random.default_rng(3).random(p.shape) < 0.4).astype(np.float64), 4)
    compare(findings, p, p >= 0.3, w)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data(), n=st.integers(2, 12), classes=st.integers(2, 4), levels=st.integers(1, 3))
def test_equal_to_scikit_learn_in_small_cases(data: st.DataObject, n: int, classes: int, levels: int) -> None:
    row = st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any)
    w = np.array(data.draw(st.lists(row, min_size=1, max_size=3)), dtype=np.float64)
    truth = st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=classes, max_size=classes)
    truths = np.array(data.draw(st.lists(truth, min_size=n, max_size=n)), dtype=np.float64)
    _, p = example(data.draw(st.integers(0, 99)), n, classes, levels)
    compare(truths, p, p >= 0.3, w)


def test_equal_to_torchmetrics_with_unknown_entries_ignored() -> None:
    _, p = example(7, 400, 6, 50)
    truths = with_unknown((np.random.default_rng(8).random(p.shape) < p * 2).astype(np.float64), 9)
    target = torch.from_numpy(np.where(np.isnan(truths), -1, truths).astype(np.int64))
    one = np.ones((1, len(p)))
    for ours, theirs in (
        (metrics.auroc(truths, p, one), MultilabelAUROC(6, average="none", ignore_index=-1)),
        (metrics.auprc(truths, p, one), MultilabelAveragePrecision(6, average="none", ignore_index=-1)),
        (metrics.f1(truths, p >= 0.3, one), MultilabelF1Score(6, threshold=0.2999, average="none", ignore_index=-1)),
    ):
        # It works in float32.
        np.testing.assert_allclose(ours[0], theirs(torch.from_numpy(p), target).numpy(), atol=1e-6)


def test_what_is_unknown_counts_for_nothing() -> None:
    """The same figures as without those rows, whatever was predicted or decided for them."""
    truths, p = example(10, 100, 3, 20)
    truths = with_unknown(truths, 11)
    w = cluster_weights(np.arange(100) // 2, 20, 1)
    figures: list[Callable[[Floats, Floats, Weights], Floats]] = [
        metrics.auroc,
        metrics.auprc,
        lambda truths, p, w: metrics.f1(truths, p >= 0.35, w),
        lambda truths, p, w: metrics.recall(truths, p >= 0.35, w),
        lambda truths, p, w: metrics.specificity(truths, p >= 0.35, w),
    ]
    for c in range(3):
        known = ~np.isnan(truths[:, c])
        scrambled = p.copy()
        scrambled[~known, c] = np.random.default_rng(12).random((~known).sum())
        for figure in figures:
            expected = figure(truths[known], p[known], w[:, known])[:, c]
            np.testing.assert_array_equal(figure(truths, scrambled, w)[:, c], expected)


def test_closed_forms() -> None:
    truths = arrays.one_hot(np.array([0, 0, 1, 1]), 2)
    p1 = np.array([0.1, 0.4, 0.4, 0.8])
    p, one = np.stack([1 - p1, p1], axis=1), np.ones((1, 4))
    assert metrics.auroc(truths, p, one)[0, 1] == 3.5 / 4
    assert metrics.auprc(truths, p, one)[0, 1] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3, abs=1e-15)
    assert metrics.auroc(truths, np.full((4, 2), 0.5), one).tolist() == [[0.5, 0.5]]
    called = arrays.one_hot(np.array([0, 1, 1, 1]), 2).astype(np.bool_)
    assert metrics.f1(truths, called, one)[0] == pytest.approx([2 / 3, 0.8], abs=1e-15)
    assert metrics.balanced_accuracy(truths, called, one, [0, 1]).tolist() == [0.75]
    assert metrics.label_balanced_accuracy(truths, called, one).tolist() == [[0.75, 0.75]]


def test_weights_of_a_bootstrap_repeat_images() -> None:
    """A weight of k is k copies, and integer weights of any type give the same figure."""
    truths, p = example(3, 80, 3, 4)
    truths = with_unknown(truths, 5, 0.1)
    w = cluster_weights(np.arange(80) // 2, 5, 7)
    for figure in (metrics.auroc, metrics.auprc):
        copies = [np.repeat(np.arange(80), row) for row in w]
        repeated = np.concatenate([figure(truths[i], p[i], np.ones((1, len(i)))) for i in copies])
        assert_equal(figure(truths, p, w), repeated)
        np.testing.assert_array_equal(figure(truths, p, w), figure(truths, p, w.astype(np.float64)))


def test_chunks_do_not_change_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    truths, p = example(4, 60, 3, 5)
    w, called = cluster_weights(np.arange(60) // 3, 37, 1), decided(p)
    whole = metrics.auroc(truths, p, w), metrics.auprc(truths, p, w), metrics.f1(truths, called, w)
    monkeypatch.setattr(arrays, "_CHUNK", 5 * 60)
    chunked = metrics.auroc(truths, p, w), metrics.auprc(truths, p, w), metrics.f1(truths, called, w)
    for a, b in zip(whole, chunked, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_draw_cannot_tell_is_undefined() -> None:
    truths = arrays.one_hot(np.array([0, 0, 1, 1]), 2)
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    w, called = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]), decided(p)
    assert np.isnan(metrics.auroc(truths, p, w)).all()
    assert np.isnan(metrics.auprc(truths, p, w)).all()
    thresholds = np.array([0.5, 0.5])
    np.testing.assert_array_equal(metrics.recall(truths, called, w), [[0.5, np.nan], [np.nan, 0.5]])
    np.testing.assert_array_equal(metrics.sensitivity_at(truths, p, thresholds, w), [[0.5, np.nan], [np.nan, 0.5]])
    np.testing.assert_array_equal(metrics.specificity_at(truths, p, thresholds, w), [[np.nan, 0.5], [0.5, np.nan]])
    np.testing.assert_array_equal(metrics.f1(truths, called, w), [[2 / 3, np.nan], [np.nan, 2 / 3]])
    assert np.isnan(metrics.balanced_accuracy(truths, called, w, [0, 1])).all()
    nothing = np.full((4, 2), np.nan)
    for figure in (metrics.auroc, metrics.auprc):
        assert np.isnan(figure(nothing, p, w)).all()
    assert np.isnan(metrics.f1(nothing, called, w)).all()


def test_a_threshold_counts_as_positive_and_without_one_nothing_is_known() -> None:
    truths, p = arrays.one_hot(np.array([0, 1]), 2), np.array([[0.5, 0.5], [0.5, 0.5]])
    one, thresholds = np.ones((1, 2)), np.array([0.5, np.nan])
    np.testing.assert_array_equal(metrics.sensitivity_at(truths, p, thresholds, one), [[1, np.nan]])
    np.testing.assert_array_equal(metrics.specificity_at(truths, p, thresholds, one), [[0, np.nan]])


def test_macro_keeps_to_the_fixed_set() -> None:
    values = np.array([[0.2, 0.4, np.nan], [0.6, np.nan, 0.8]])
    np.testing.assert_array_equal(metrics.macro(values, [0, 1]), [(0.2 + 0.4) / 2, np.nan])
    np.testing.assert_array_equal(metrics.macro(values, [1]), values[:, 1])
    with pytest.raises(UserError, match="No class can be scored"):
        metrics.macro(values, [])


def test_bad_input_is_refused() -> None:
    truths, p, one = arrays.one_hot(np.array([0, 1]), 2), np.array([[0.5, 0.5], [0.2, 0.8]]), np.ones((1, 2))
    called = decided(p)
    with pytest.raises(UserError, match=r"1 of 4 predictions are not finite .*\(1, 0\), is nan"):
        metrics.auroc(truths, np.array([[0.5, 0.5], [np.nan, 0.8]]), one)
    with pytest.raises(ValueError, match="must be 0, 1 or NaN"):
        metrics.auprc(truths * 2, p, one)
    with pytest.raises(ValueError, match="do not fit"):
        metrics.auroc(truths[:, :1], p, one)
    with pytest.raises(ValueError, match="decisions"):
        metrics.f1(truths, called[:1], one)
    with pytest.raises(ValueError, match="at least one draw"):
        metrics.recall(truths, called, np.ones((0, 2)))
    for odd in ([[1.0, 1.0]], [[0.0, 0.0]], [[1.0, np.nan]]):
        with pytest.raises(ValueError, match="a single 1"):
            arrays.labels_of(np.array(odd))
    assert arrays.labels_of(truths).tolist() == [0, 1]
