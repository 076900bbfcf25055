"""Transferability scores: closed forms, independent computation, and what must not matter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.covariance import LedoitWolf
from tests.training.telling import some

from medgraft.errors import UserError
from medgraft.training.transferability import interval
from medgraft.training.transferability_scores import (
    _axes,
    _h_score,
    _weights,
    h_score,
    leep,
    logme,
    nce,
    transrate,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Score = Callable[[Floats, Any], float]
OF_FEATURES: tuple[Score, ...] = (logme, h_score, transrate)
OF_PREDICTIONS: tuple[Score, ...] = (leep, nce)
NAN = float("nan")


def predictions(features: Floats, classes: int = 5) -> Floats:
    logits = features @ np.random.default_rng(9).standard_normal((features.shape[1], classes))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def inputs_of(score: Score, features: Floats) -> Floats:
    return predictions(features) if score in OF_PREDICTIONS else features


@pytest.mark.parametrize(("n", "d"), [(30, 4), (12, 25)])
def test_logme_is_the_highest_evidence_over_alpha_and_beta(n: int, d: int) -> None:
    features, labels = some(n, d)

    def evidence(logs: Floats, y: Floats) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(n) / beta + features @ features.T / alpha
        misfit = y @ np.linalg.solve(covariance, y)
        return float(-(n * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + misfit) / 2)

    highest = []
    for c in range(3):
        y = (labels == c).astype(float)
        starts = [np.array([a, b]) for a in (-1.0, 5.0) for b in (1.0, 4.0)]
        found = [minimize(lambda x, y=y: -evidence(x, y), start, method="Nelder-Mead") for start in starts]
        highest.append(-min(f.fun for f in found) / n)
    assert logme(features, labels) == pytest.approx(np.mean(highest), abs=1e-6)


def test_logme_is_where_the_papers_iteration_ends() -> None:
    features, labels = some(60, 8)
    squares = np.linalg.eigvalsh(features.T @ features)
    found = []
    for c in range(3):
        y = (labels == c).astype(float)
        alpha = beta = 1.0
        for _ in range(500):
            m = beta * np.linalg.solve(alpha * np.eye(8) + beta * features.T @ features, features.T @ y)
            gamma = (beta * squares / (alpha + beta * squares)).sum()
            alpha, beta = gamma / (m @ m), (60 - gamma) / ((features @ m - y) ** 2).sum()
        m = beta * np.linalg.solve(alpha * np.eye(8) + beta * features.T @ features, features.T @ y)
        fit = 60 * np.log(beta) + 8 * np.log(alpha) - 60 * np.log(2 * np.pi) - np.log(alpha + beta * squares).sum()
        found.append((fit - beta * ((features @ m - y) ** 2).sum() - alpha * m @ m) / 2 / 60)
    assert logme(features, labels) == pytest.approx(np.mean(found), abs=1e-8)


def test_logme_of_features_that_say_nothing_is_that_of_the_labels_alone() -> None:
    labels = np.array([0, 0, 0, 1])
    alone = np.mean([-(np.log(2 * np.pi * share) + 1) / 2 for share in (0.75, 0.25)])
    assert logme(np.zeros((4, 6)), labels) == pytest.approx(alone)


def test_logme_stays_finite_where_evidence_has_no_bound() -> None:
    labels = np.array([0, 1] * 20)
    assert 5 < logme(np.eye(2)[labels], labels) < 30
    twice = np.repeat(some(20, 100)[0], 2, axis=0)  # each image and its copy
    assert 0 < logme(twice, np.repeat(some(20, 100)[1], 2)) < 30


def test_h_score_without_shrinkage_is_bao_s() -> None:
    features, labels = some(80, 6)
    means = np.stack([features[labels == c].mean(axis=0) for c in range(3)])[labels]
    bao = np.trace(np.linalg.solve(np.cov(features.T), np.cov(means.T)))
    assert without_shrinkage(features, labels) == pytest.approx(bao)


def test_h_score_without_shrinkage_in_closed_form() -> None:
    """Two classes at ±2 in the first feature with spread ±1, nothing in the second: 4 of a variance of 5."""
    features = np.array([[2 + a, b] for a in (-1, 1) for b in (-1, 1)] + [[a - 2, b] for a in (-1, 1) for b in (-1, 1)])
    labels = np.repeat([0, 1], 4)
    assert without_shrinkage(features.astype(float), labels) == pytest.approx(4 / 5)


def without_shrinkage(features: Floats, labels: Ints) -> float:
    u, s = _axes(features - features.mean(axis=0))
    return _h_score(((u, s), _weights(s**2 / len(features), 0.0, features.shape[1])), labels)


@pytest.mark.parametrize(("n", "d"), [(60, 10), (30, 70), (50, 1)])
def test_h_score_is_ibrahim_s_with_scikit_learn_s_covariance(n: int, d: int) -> None:
    features, labels = some(n, d)
    fitted = LedoitWolf().fit(features)
    means = np.stack([features[labels == c].mean(axis=0) for c in range(3)])[labels]
    between = np.cov(means.T, bias=True).reshape(d, d)
    expected = (1 - fitted.shrinkage_) * np.trace(np.linalg.solve(fitted.covariance_, between))
    assert h_score(features, labels) == pytest.approx(expected)


def test_h_score_is_at_most_the_classes_less_one() -> None:
    """Features that are the class itself: nothing varies within, and no shrinkage is needed with two."""
    labels = np.arange(40) % 4
    assert 2.5 < h_score(np.eye(4)[labels], labels) <= 3
    assert h_score(np.eye(2)[labels % 2], labels % 2) == pytest.approx(1)


def test_transrate_by_its_definition() -> None:
    for n, d in ((40, 6), (20, 30)):
        features, labels = some(n, d)
        z = features - features.mean(axis=0)
        z /= np.sqrt(np.trace(z.T @ z) / n)

        def rate(z: Floats, d: int = d) -> float:
            return float(np.log(np.linalg.eigvalsh(np.eye(d) + z.T @ z / (len(z) * 1e-4))).sum() / 2)

        within = sum((labels == c).mean() * rate(z[labels == c]) for c in range(3))
        assert transrate(features, labels) == pytest.approx(rate(z) - within)


def test_transrate_in_closed_form() -> None:
    """Two pairs on a cross: R(Z) has variances ½ and ½, each class a single one of 1."""
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    rate = np.log(1 + 0.5 / 1e-4) - np.log(1 + 1 / 1e-4) / 2
    assert transrate(cross, np.array([0, 0, 1, 1])) == pytest.approx(rate)


def test_nce_is_minus_the_conditional_entropy() -> None:
    """Source class 0 holds three labels 0 and one 1 (entropy of a quarter), source class 1 two labels 1 (none)."""
    p = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 2)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert nce(p, np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(-4 / 6 * entropy)


def test_leep_by_hand() -> None:
    """P(y, z): ½ of ((0.8 + 0.6), (0.2 + 0.4)) for label 0, image 3 and 4 for label 1."""
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    first, second = 1.4 / 2.0, 0.6 / 2.0  # P(label 0 | source class 0), and | source class 1
    told = [0.8 * first + 0.2 * second, 0.6 * first + 0.4 * second]
    told += [0.1 * (1 - first) + 0.9 * (1 - second), 0.5 * (1 - first) + 0.5 * (1 - second)]
    assert leep(p, np.array([0, 0, 1, 1])) == pytest.approx(np.log(told).mean())


def test_leep_of_certain_sources_is_nce_and_both_lie_between_entropy_and_0() -> None:
    features, labels = some(50, 6)
    p = predictions(features)
    hard = np.eye(5)[p.argmax(axis=1)]
    assert leep(hard, labels) == pytest.approx(nce(p, labels))
    shares = np.bincount(labels) / 50
    for found in (leep(p, labels), nce(p, labels)):
        assert (shares * np.log(shares)).sum() - 1e-12 <= found < 0
    assert leep(np.eye(3)[labels], labels) == nce(np.eye(3)[labels], labels) == 0
    unused = np.concatenate([p, np.zeros((50, 2))], axis=1)
    assert leep(unused, labels) == pytest.approx(leep(p, labels))


@pytest.mark.parametrize("score", OF_FEATURES + OF_PREDICTIONS)
@pytest.mark.parametrize(("n", "d"), [(60, 8), (24, 50)])
def test_neither_order_nor_names_matter(score: Score, n: int, d: int) -> None:
    features, labels = some(n, d)
    given = inputs_of(score, features)
    order = np.random.default_rng(3).permutation(n)
    expected = pytest.approx(score(given, labels), rel=1e-9, abs=1e-9)
    assert score(given[order], labels[order]) == expected
    assert score(given, np.array([7, 2, 40])[labels]) == expected


@pytest.mark.parametrize("score", OF_FEATURES)
@pytest.mark.parametrize(("n", "d"), [(60, 8), (24, 50)])
def test_neither_rotation_nor_scale_matter(score: Score, n: int, d: int) -> None:
    features, labels = some(n, d)
    rotation = np.linalg.qr(np.random.default_rng(4).standard_normal((d, d)))[0]
    expected = pytest.approx(score(features, labels), rel=1e-6, abs=1e-6)
    assert score(features @ rotation, labels) == expected
    assert score(1000 * features, labels) == expected


@pytest.mark.parametrize("score", OF_FEATURES + OF_PREDICTIONS)
@pytest.mark.parametrize(("n", "d"), [(120, 8), (60, 90)])
def test_features_that_tell_the_labels_score_above_shuffled_labels(score: Score, n: int, d: int) -> None:
    features, labels = some(n, d)
    given = inputs_of(score, features)
    shuffled = [score(given, np.random.default_rng(i).permutation(labels)) for i in range(5)]
    assert score(given, labels) > max(shuffled)


@pytest.mark.parametrize("score", OF_FEATURES)
def test_constant_features_and_few_images(score: Score) -> None:
    labels = np.array([0, 1, 1, 0, 2])
    flat = np.full((5, 7), 0.1)
    assert np.isfinite(score(flat, labels))
    if score is not logme:
        assert score(flat, labels) == 0
    features, labels = some(40, 6)
    beside = np.concatenate([features, np.full((40, 1), 1e6)], axis=1)
    assert np.isfinite(score(beside, labels))
    assert np.isfinite(score(features[:2], labels[:2]))


def test_labels_that_do_not_exclude_each_other_are_scored_each_on_its_known_rows() -> None:
    features, labels = some(60, 8)
    truths = np.eye(3)[labels]
    truths[:10, 1] = NAN
    truths = np.concatenate([truths, np.ones((60, 1)), np.full((60, 1), NAN)], axis=1)  # two that cannot be scored
    known = np.arange(60) >= 10
    for score in OF_FEATURES + OF_PREDICTIONS:
        given = inputs_of(score, features)
        parts = [score(given, (labels == c).astype(np.int64)) for c in (0, 2)]
        parts.append(score(given[known], (labels[known] == 1).astype(np.int64)))
        assert score(given, truths) == pytest.approx(np.mean(parts))


def test_what_is_refused() -> None:
    features, labels = some(20, 4)
    broken = features.copy()
    broken[3, 2] = NAN
    for score in OF_FEATURES:
        with pytest.raises(UserError, match=r"1 of 80 features are not finite .*image 3 at 2"):
            score(broken, labels)
        with pytest.raises(UserError, match="no label has two classes"):
            score(features, np.zeros(20, dtype=np.int64))
        with pytest.raises(UserError, match="no label has two classes"):
            score(features, np.full((20, 2), NAN))
        with pytest.raises(ValueError, match="do not fit"):
            score(features, labels[:-1])
        with pytest.raises(ValueError, match="0, 1 or NaN"):
            score(features, np.full((20, 2), 0.5))
        with pytest.raises(ValueError, match="integers"):
            score(features, labels.astype(np.float64))
    for score in OF_PREDICTIONS:
        with pytest.raises(ValueError, match="sum 1"):
            score(features, labels)
    with pytest.raises(UserError, match="1 patient"):
        interval(logme, features, labels, np.zeros(20, dtype=np.int64), blocks=5, seed=0)
