"""Calibration against closed forms, scikit-learn and data whose miscalibration is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn import metrics as sk

from medgraft.errors import UserError
from medgraft.evaluation import calibration
from medgraft.evaluation.arrays import Floats, Ints
from medgraft.evaluation.uncertainty import resampling


def labels_from(p: Floats, seed: int) -> Ints:
    """One label a row, drawn from its probabilities."""
    u = np.random.default_rng(seed).random((len(p), 1))
    return np.asarray((u > p.cumsum(axis=1)[:, :-1]).sum(axis=1), dtype=np.int64)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_temperature_is_recovered(classes: int, true: float) -> None:
    logits = np.random.default_rng(classes).normal(size=(20_000, classes)) * 2 * true
    y = labels_from(calibration.softmax(logits, true), 1)
    found = calibration.fit_temperature(logits, y)
    assert found == pytest.approx(true, rel=0.05)
    assert found == calibration.fit_temperature(logits, y)


def test_temperature_minimises_the_likelihood_and_ignores_shifts() -> None:
    rng = np.random.default_rng(2)
    logits, y, one = rng.normal(size=(200, 3)) * 4, rng.integers(3, size=200), np.ones((1, 200))
    y[:120] = logits[:120].argmax(axis=1)
    best = calibration.fit_temperature(logits, y)
    losses = [calibration.nll(y, calibration.softmax(logits, best * f), one)[0] for f in (0.999, 1, 1.001)]
    assert losses[1] == min(losses)
    assert calibration.fit_temperature(logits + rng.normal(size=(200, 1)) * 50, y) == pytest.approx(best, rel=1e-9)
    assert calibration.fit_temperature(logits * 3, y) == pytest.approx(best * 3, rel=1e-9)


def test_temperature_stays_in_its_range() -> None:
    logits = np.random.default_rng(3).normal(size=(5000, 3)) * 2
    y = labels_from(calibration.softmax(logits), 1)
    assert calibration.fit_temperature(logits * 0.04, y) == 0.05  # the best is below, but finite
    assert calibration.fit_temperature(logits * 0.06, y) == pytest.approx(0.06, rel=0.1)
    logits = np.random.default_rng(3).normal(size=(50, 3)) * 10
    assert calibration.fit_temperature(logits, logits.argmax(axis=1)) == 1.0  # no optimum: nothing is learned
    assert calibration.fit_temperature(logits, logits.argmin(axis=1)) == 20.0
    assert calibration.fit_temperature(np.ones((4, 3)), np.array([0, 1, 2, 0])) == 1.0
    with pytest.raises(UserError, match="no labelled image"):
        calibration.fit_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64))
    with pytest.raises(UserError, match="not finite"):
        calibration.fit_temperature(np.array([[np.inf, 0.0]]), np.array([0]))


@pytest.mark.parametrize("classes", [2, 4])
def test_brier_and_nll_equal_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    p, w = rng.dirichlet(np.ones(classes), 100), rng.exponential(size=(3, 100))
    y = labels_from(p, 2)
    p[0] = np.eye(classes)[(y[0] + 1) % classes]
    labels = list(range(classes))
    for ours, theirs in ((calibration.nll, sk.log_loss), (calibration.brier, sk.brier_score_loss)):
        prediction = p[:, 1] if theirs is sk.brier_score_loss and classes == 2 else p
        expected = [theirs(y, prediction, sample_weight=row, labels=labels) for row in w]
        np.testing.assert_allclose(ours(y, p, w), expected, rtol=1e-12)


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_of_labels_is_recovered_from_what_is_known(true: float) -> None:
    rng = np.random.default_rng(11)
    logits = rng.normal(size=(8_000, 5)) * 2 * true
    truths = (rng.random(logits.shape) < expit(logits / true)).astype(np.float64)
    truths[rng.random(logits.shape) < 0.5] = np.nan
    found = calibration.fit_label_temperature(logits, truths)
    assert found == pytest.approx(true, rel=0.05)
    # As torch's loss over the known pairs has it: no other temperature is better.
    known = ~np.isnan(truths)

    def loss(temperature: float) -> float:
        scaled, target = (torch.from_numpy(x) for x in (logits[known] / temperature, truths[known]))
        return float(torch.nn.functional.binary_cross_entropy_with_logits(scaled, target))

    assert loss(found) < min(loss(found * 0.999), loss(found * 1.001))
    logits[~known] = rng.normal(size=(~known).sum()) * 50
    assert calibration.fit_label_temperature(logits, truths) == found


def test_losses_of_labels_equal_scikit_learns_class_by_class() -> None:
    rng = np.random.default_rng(12)
    p, truths = rng.random((200, 4)), (rng.random((200, 4)) < 0.4).astype(np.float64)
    truths[rng.random(p.shape) < 0.3] = np.nan
    known = [~np.isnan(truths[:, c]) for c in range(4)]
    nll = [sk.log_loss(truths[known[c], c], p[known[c], c]) for c in (0, 2)]
    brier = [sk.brier_score_loss(truths[known[c], c], p[known[c], c]) for c in (0, 2)]
    assert calibration.label_losses(truths, p, [0, 2]) == pytest.approx((np.mean(nll), np.mean(brier)), abs=1e-12)
    truths[:, 2] = np.nan
    assert np.isnan(calibration.label_losses(truths, p, [0, 2])).all()


def test_pooling_takes_every_known_pair_of_the_scored_classes() -> None:
    truths, p = np.array([[1.0, np.nan, 0], [0, 1, 1]]), np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.7]])
    outcome, score = calibration.pooled(truths, p, [0, 1])
    assert (outcome.tolist(), score.tolist()) == ([1, 0, 1], [0.9, 0.3, 0.8])
    outcome, score = calibration.outcome_of(truths, p, 1)
    assert (outcome.tolist(), score.tolist()) == ([1], [0.8])


def test_top_label() -> None:
    right, confidence = calibration.top_label(np.array([0, 1]), np.array([[0.7, 0.3], [0.6, 0.4]]))
    assert right.tolist() == [1, 0]
    assert confidence.tolist() == [0.7, 0.6]


def test_ece_closed_forms() -> None:
    assert calibration.ece_equal_mass(np.array([0, 1, 0, 1]), np.full(4, 0.75)) == pytest.approx(0.25)
    assert calibration.ece_equal_mass(np.array([0, 0, 1, 1]), np.array([0.0, 0.0, 1.0, 1.0])) == 0
    # Two bins, each off by 0.1, once too high, once too low: no cancelling between bins.
    p, outcome = np.repeat([0.3, 0.7], 10), np.repeat([1, 0, 1, 0], [4, 6, 6, 4])
    assert calibration.ece_equal_mass(outcome, p, bins=2) == pytest.approx(0.1)
    assert calibration.ece_equal_mass(outcome, p, bins=1) == pytest.approx(0)


def test_ece_ignores_the_order_of_images_even_under_ties() -> None:
    rng = np.random.default_rng(9)
    p = rng.integers(0, 8, size=200) / 7
    outcome, order = rng.integers(2, size=200), rng.permutation(200)
    assert calibration.ece_equal_mass(outcome[order], p[order]) == pytest.approx(
        calibration.ece_equal_mass(outcome, p), abs=1e-15
    )


def test_reliability_bins_have_equal_size_and_a_band_around_the_diagonal() -> None:
    rng = np.random.default_rng(6)
    p = rng.random(3000)
    outcome = (rng.random(3000) < p).astype(np.int64)
    curve = calibration.reliability_curve(outcome, p, sampling=resampling(np.arange(3000) // 3, 500, 1))
    assert [b.count for b in curve] == [300] * 10
    assert [b.predicted for b in curve] == pytest.approx(np.sort(p).reshape(10, 300).mean(axis=1))
    assert [b.observed for b in curve] == pytest.approx(outcome[np.argsort(p)].reshape(10, 300).mean(axis=1))
    inside = 0
    for b in curve:
        assert b.low is not None
        assert b.high is not None
        assert b.low < b.observed < b.high
        assert b.high - b.low == pytest.approx(2 * 1.96 * np.sqrt(b.observed * (1 - b.observed) / 300), rel=0.25)
        inside += b.low <= b.predicted <= b.high
    assert inside >= 8


def test_reliability_of_equal_predictions_and_without_band() -> None:
    [only] = calibration.reliability_curve(np.array([0, 1, 1, 1]), np.full(4, 0.6))
    assert only.predicted == pytest.approx(0.6)
    assert (only.observed, only.count, only.low, only.high) == (0.75, 4, None, None)
    # One patient in the bin: it is missing from a third of the draws, so no band.
    sampling = resampling(np.array([0, 0, 1, 1]), 200, 1)
    bins = calibration.reliability_curve(np.array([0, 1, 1, 1]), np.array([0.1, 0.1, 0.9, 0.9]), 2, sampling)
    assert [(b.count, b.low) for b in bins] == [(2, None), (2, None)]


def test_recalibration_recovers_a_known_distortion() -> None:
    rng = np.random.default_rng(7)
    truth = rng.normal(size=40_000) * 1.5
    outcome = (rng.random(40_000) < expit(truth)).astype(np.int64)
    honest = calibration.recalibration(outcome, expit(truth))
    assert honest.slope == pytest.approx(1, abs=0.04)
    assert honest.intercept == pytest.approx(0, abs=0.04)
    assert calibration.recalibration(outcome, expit(truth * 2)).slope == pytest.approx(0.5, abs=0.02)
    assert calibration.recalibration(outcome, expit(truth + 0.7)).intercept == pytest.approx(-0.7, abs=0.04)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 60), log_scale=st.floats(-3, 2))
def test_recalibration_solves_its_equations(seed: int, n: int, log_scale: float) -> None:
    """At the maximum the residuals are orthogonal to the predictors, even with certain and wrong predictions."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(size=n) * 10**log_scale)
    outcome = rng.integers(2, size=n)
    eps = np.finfo(np.float64).eps
    found, x = calibration.recalibration(outcome, p), logit(np.clip(p, eps, 1 - eps))
    if found.intercept is None:
        assert outcome.min() == outcome.max()
        return
    assert expit(found.intercept + x).mean() == pytest.approx(outcome.mean(), abs=1e-9)
    if found.slope is None:
        positive, negative = x[outcome == 1], x[outcome == 0]
        assert negative.max() <= positive.min() or positive.max() <= negative.min()
        return
    tilted = found.slope * x
    reach = 60 + abs(tilted).max()
    shift = brentq(lambda a: (expit(a + tilted) - outcome).mean(), -reach, reach, xtol=1e-13)
    residual = expit(shift + tilted) - outcome
    assert (residual * (x - x.mean())).mean() / x.std() == pytest.approx(0, abs=1e-7)


def test_recalibration_without_finite_answer() -> None:
    separated = calibration.recalibration(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.3, 0.9]))
    assert separated.slope is None
    # With the slope held at 1 there is an answer: two of four outcomes are expected.
    assert separated.intercept is not None
    logits = np.log([0.1 / 0.9, 0.3 / 0.7, 0.3 / 0.7, 0.9 / 0.1])
    assert expit(separated.intercept + logits).sum() == pytest.approx(2)
    reversed_ = calibration.recalibration(np.array([1, 0]), np.array([0.1, 0.9]))
    assert reversed_.slope is None
    constant = calibration.recalibration(np.array([0, 1, 1, 1]), np.full(4, 0.5))
    assert constant.slope is None
    assert constant.intercept == pytest.approx(np.log(3))
    assert calibration.recalibration(np.ones(3, dtype=np.int64), np.array([0.2, 0.3, 0.4])).intercept is None
    certain = calibration.recalibration(np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert certain.slope == pytest.approx(0, abs=1e-9)
    assert certain.intercept == pytest.approx(0, abs=1e-9)


def test_a_temperature_at_the_edge_is_no_calibration() -> None:
    assert calibration.temperature_cautions(1.0) == calibration.temperature_cautions(0.0501) == []
    for edge in (0.05, 20.0):
        (caution,) = calibration.temperature_cautions(edge)
        assert f"edge of its range ({edge:g}): the probabilities are not calibrated" in caution
