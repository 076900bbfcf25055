"""The optimum is scikit-learn's, or that of a direct optimisation, for every kind of label; nothing global is moved."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from medgraft.params import Task
from medgraft.training.logistic import Floats, State, path, principal_axes
from medgraft.training.losses import class_weights

Imbalance = Literal["weighted", "none"]
NAN = float("nan")
SHAPES = [(120, 8), (40, 90)]  # fewer and more features than images
STRENGTHS = [1e-3, 0.1, 10.0]


def scene(n: int, d: int, classes: int, seed: int) -> tuple[Floats, Floats]:
    """Features with a spectrum that falls as that of a network's does, centred, and scores of the classes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ (rng.normal(size=(d, d)) * np.geomspace(1, 0.01, d)[:, None])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, x @ rng.normal(size=(d, classes)) / np.sqrt(d) + rng.normal(size=(n, classes)) + np.arange(classes) * 0.4


def grades(n: int, d: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    x, scores = scene(n, d, 1, seed)
    return x, np.searchsorted(np.quantile(scores[:, 0], [0.4, 0.7, 0.8]), scores[:, 0]).astype(np.int64)


def findings(n: int, d: int, seed: int) -> tuple[Floats, NDArray[np.float32]]:
    """Common, rarer and mostly unknown."""
    x, scores = scene(n, d, 3, seed)
    labels = (scores > [0.0, 1.5, 1.0]).astype(np.float32)
    labels[np.random.default_rng(seed).random((n, 3)) < [0.0, 0.2, 0.6]] = NAN
    return x, labels


def solve(
    x: Floats, labels: NDArray[Any], task: Task, classes: int, strength: float, imbalance: Imbalance = "none"
) -> State:
    weights = class_weights(labels, classes, imbalance)
    axes = principal_axes(x)
    _, found = path(x @ axes.T, labels, task, classes, weights, np.array([strength, strength]), 1e-5)
    return found | {"weight": found["weight"] @ axes}


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_binary_is_scikit_learns(n: int, d: int, strength: float) -> None:
    x, scores = scene(n, d, 2, 1)
    labels = scores.argmax(axis=1)
    found = solve(x, labels, "binary", 2, strength)
    theirs = LogisticRegression(C=strength, tol=1e-10, solver="newton-cholesky").fit(x, labels)
    np.testing.assert_allclose(found["weight"][1] - found["weight"][0], theirs.coef_[0], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found["bias"][1] - found["bias"][0], theirs.intercept_[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_multiclass_is_scikit_learns(n: int, d: int, strength: float) -> None:
    x, scores = scene(n, d, 4, 2)
    labels = scores.argmax(axis=1)
    found = solve(x, labels, "multiclass", 4, strength)
    theirs = LogisticRegression(C=strength, tol=1e-10, solver="newton-cholesky").fit(x, labels)
    np.testing.assert_allclose(found["weight"], theirs.coef_, atol=1e-4, rtol=1e-4)
    bias = found["bias"] - found["bias"].mean()  # a constant more is the same softmax
    np.testing.assert_allclose(bias, theirs.intercept_ - theirs.intercept_.mean(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_multilabel_is_scikit_learns_of_each_finding_where_it_is_known(n: int, d: int, strength: float) -> None:
    x, labels = findings(n, d, 3)
    found = solve(x, labels, "multilabel", 3, strength)
    for c in range(3):
        known = ~np.isnan(labels[:, c])
        theirs = LogisticRegression(C=strength, tol=1e-10, solver="newton-cholesky").fit(x[known], labels[known, c])
        np.testing.assert_allclose(found["weight"][c], theirs.coef_[0], atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(found["bias"][c], theirs.intercept_[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_ordinal_is_that_of_a_direct_optimisation(n: int, d: int, strength: float) -> None:
    x, labels = grades(n, d, 4)
    found = solve(x, labels, "ordinal", 4, strength)

    def direct(parameters: Floats) -> tuple[float, Floats]:
        """By the definition of proportional odds, with the thresholds themselves as parameters."""
        thresholds, weight = parameters[:3], parameters[3:]
        at_most = 1 / (1 + np.exp(-(thresholds - (x @ weight)[:, None])))
        padded = np.hstack([np.zeros((n, 1)), at_most, np.ones((n, 1))])
        rows = np.arange(n)
        p = padded[rows, labels + 1] - padded[rows, labels]
        slope = np.hstack([np.zeros((n, 1)), at_most * (1 - at_most), np.zeros((n, 1))])
        high, low = slope[rows, labels + 1] / p, slope[rows, labels] / p
        by_thresholds = np.array([low[labels == k + 1].sum() - high[labels == k].sum() for k in range(3)])
        by_weight = (high - low) @ x + weight / strength
        return -np.log(p).sum() + weight @ weight / (2 * strength), np.append(by_thresholds, by_weight)

    options = {"gtol": 1e-8, "ftol": 1e-16, "maxiter": 100_000, "maxfun": 100_000}
    start = np.append([-1.0, 0.5, 1.0], np.zeros(d))
    theirs = minimize(direct, start, method="L-BFGS-B", jac=True, options=options)
    np.testing.assert_allclose(found["weight"][0], theirs.x[3:], atol=1e-4, rtol=1e-4)
    thresholds = found["first"] + np.append(0, np.log1p(np.exp(found["gaps"])).cumsum())
    np.testing.assert_allclose(thresholds, theirs.x[:3], atol=1e-4, rtol=1e-4)


def test_two_grades_are_a_binary_task() -> None:
    x, labels = grades(120, 8, 5)
    labels = np.minimum(labels, 1)
    ordinal, binary = solve(x, labels, "ordinal", 2, 0.1), solve(x, labels, "binary", 2, 0.1)
    np.testing.assert_allclose(ordinal["weight"][0], binary["weight"][1] - binary["weight"][0], atol=1e-4)
    np.testing.assert_allclose(-ordinal["first"][0], binary["bias"][1] - binary["bias"][0], atol=1e-4)


def test_weighted_classes_are_scikit_learns_with_the_prior_taken_back() -> None:
    x, scores = scene(200, 6, 3, 6)
    labels = scores.argmax(axis=1)
    found = solve(x, labels, "multiclass", 3, 1.0, "weighted")
    theirs = LogisticRegression(C=1.0, tol=1e-10, solver="newton-cholesky", class_weight="balanced").fit(x, labels)
    np.testing.assert_allclose(found["weight"], theirs.coef_, atol=1e-4)
    expected = theirs.intercept_ + np.log(np.bincount(labels) / len(labels))
    np.testing.assert_allclose(found["bias"] - found["bias"].mean(), expected - expected.mean(), atol=1e-4)


@pytest.mark.parametrize("imbalance", ["weighted", "none"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "ordinal", "multilabel"])
def test_features_that_tell_nothing_leave_the_class_frequencies(task: Task, imbalance: Imbalance) -> None:
    x = np.zeros((100, 5))
    shares = [80, 20] if task == "binary" else [60, 25, 5, 10]
    labels: NDArray[Any] = np.repeat(np.arange(len(shares)), shares)
    if task == "multilabel":
        labels = (np.random.default_rng(0).random((100, 4)) < [0.5, 0.2, 0.1, 0.06]).astype(np.float32)
        labels[:30, 1] = NAN
    classes = labels.shape[1] if task == "multilabel" else len(shares)
    found = solve(x, labels, task, classes, 1.0, imbalance)
    assert (found["weight"] == 0).all()
    if task == "multilabel":
        np.testing.assert_allclose(1 / (1 + np.exp(-found["bias"])), np.nanmean(labels, axis=0), rtol=1e-4)
        return
    if task == "ordinal":
        thresholds = found["first"] + np.append(0, np.log1p(np.exp(found["gaps"])).cumsum())
        at_most = np.concatenate([[0], 1 / (1 + np.exp(-thresholds)), [1]])
        p = np.diff(at_most) * np.exp(-found["offset"])
    else:
        p = np.exp(found["bias"])
    np.testing.assert_allclose(p / p.sum(), np.bincount(labels) / 100, rtol=1e-4)


@pytest.mark.parametrize("imbalance", ["weighted", "none"])
def test_a_finding_of_one_value_is_a_constant_and_leaves_the_others_alone(imbalance: Imbalance) -> None:
    x, labels = findings(60, 10, 7)
    column = np.full((60, 1), NAN, dtype=np.float32)
    never, always = column.copy(), column.copy()
    never[:40], always[:9] = 0, 1
    found = solve(x, np.hstack([labels, never, always, column]), "multilabel", 6, 100.0, imbalance)
    assert (found["weight"][3:] == 0).all()
    np.testing.assert_allclose(found["bias"][3:], [np.log(0.5 / 40.5), np.log(9.5 / 0.5), 0])
    alone = solve(x, labels, "multilabel", 3, 100.0, imbalance)
    for name in ("weight", "bias"):
        np.testing.assert_allclose(found[name][:3], alone[name], atol=1e-3, rtol=1e-3)


def test_a_path_ends_where_each_search_of_its_own_does() -> None:
    x, labels = grades(80, 30, 8)
    weights = class_weights(labels, 4, "none")
    for strength, found in zip(
        STRENGTHS, path(x, labels, "ordinal", 4, weights, np.array(STRENGTHS), 1e-5), strict=True
    ):
        alone = solve(x, labels, "ordinal", 4, strength)
        np.testing.assert_allclose(found["weight"], alone["weight"], atol=1e-4)


def test_no_global_state_is_moved() -> None:
    x, labels = findings(40, 5, 10)
    before = torch.random.get_rng_state()
    first = solve(x, labels, "multilabel", 3, 1.0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(5)
    again = solve(x, labels, "multilabel", 3, 1.0)
    torch.random.set_rng_state(before)
    assert all((first[name] == again[name]).all() for name in first)
