"""Readouts: fitted on validation alone, applied as they say."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from tests.evaluation.made_up import judge, logits, read, split

from medgraft.errors import UserError
from medgraft.evaluation.calibration import fit_temperature
from medgraft.evaluation.operating import threshold_at_sensitivity, threshold_at_specificity, youden_threshold
from medgraft.evaluation.ordinal import median_grade
from medgraft.evaluation.readout import Readout, fit_readout, fixed_readout
from medgraft.params import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")


@pytest.mark.parametrize("task", TASKS)
def test_thresholds_reach_their_targets_on_validation(task: Task) -> None:
    validation = split(judge(task, specificity=0.8, sensitivity=0.7), "validation")
    readout = fit_readout(logits(validation), validation)
    p = readout.probabilities(logits(validation))
    for c in range(p.shape[1]):
        truth = validation.truths[:, c]
        assert (p[truth == 0, c] < readout.specific[c]).mean() >= 0.8
        assert (p[truth == 1, c] >= readout.sensitive[c]).mean() >= 0.7
        known = ~np.isnan(truth)
        outcome = truth[known].astype(np.int64)
        assert readout.specific[c] == threshold_at_specificity(outcome, p[known, c], 0.8)
        assert readout.sensitive[c] == threshold_at_sensitivity(outcome, p[known, c], 0.7)
        if task == "multilabel":
            assert readout.decision_threshold(c) == youden_threshold(outcome, p[known, c])


def test_probabilities_and_decisions() -> None:
    z = np.random.default_rng(0).normal(size=(20, 3))
    thresholds = np.array([0.2, 0.5, np.nan])
    labels = Readout("multilabel", 2.0, thresholds, thresholds, thresholds)
    np.testing.assert_allclose(labels.probabilities(z), expit(z / 2), rtol=1e-15)
    p = labels.probabilities(z)
    assert (labels.called(p) == (p >= [0.2, 0.5, 2])).all()
    assert labels.decision_threshold(2) is None
    exclusive = Readout("multiclass", 0.5, thresholds, thresholds, None)
    np.testing.assert_allclose(exclusive.probabilities(z), softmax(z * 2, axis=1), rtol=1e-15)
    p = exclusive.probabilities(z)
    assert exclusive.decided(p).tolist() == p.argmax(axis=1).tolist()
    assert (exclusive.called(p).sum(axis=1) == 1).all()
    grades = Readout("ordinal", 1.0, thresholds, thresholds, None)
    assert grades.decided(p).tolist() == median_grade(p).tolist()
    binary = Readout("binary", 1.0, thresholds[:2], thresholds[:2], np.array([np.nan, 0.3]))
    assert binary.decided(np.array([[0.7, 0.3], [0.71, 0.29]])).tolist() == [1, 0]
    for task in TASKS:
        decision = None if task in ("binary", "multilabel") else thresholds
        with pytest.raises(ValueError, match="decision thresholds are for"):
            Readout(task, 1.0, thresholds, thresholds, decision)


def test_the_temperature_is_of_images_and_thresholds_of_units() -> None:
    """Images are what is served; what is decided is about patients."""
    images, patients = (split(judge("binary", unit=unit), "validation", images=3) for unit in ("image", "group"))
    z = logits(images)
    one, other = fit_readout(z, images), fit_readout(z, patients)
    assert one.temperature == other.temperature == fit_temperature(z, images.image_truths[:, 1].astype(np.int64))
    p = other.probabilities(z).reshape(80, 3, 2).mean(axis=1)
    y = images.image_truths[:, 1].reshape(80, 3).max(axis=1).astype(np.int64)
    assert other.specific[1] == pytest.approx(threshold_at_specificity(y, p[:, 1], 0.9), abs=1e-15)
    assert other.specific[1] != one.specific[1]


def test_a_label_of_one_kind_only_has_no_threshold() -> None:
    by = judge("multilabel", classes=2, scored=[0])
    validation = split(by, "validation")
    validation.truths[:, 1] = np.where(validation.truths[:, 1] == 1, np.nan, validation.truths[:, 1])
    readout = fit_readout(logits(validation), validation)
    assert np.isnan([readout.specific[1], readout.sensitive[1]]).all()
    assert readout.decision_threshold(1) is None
    binary = split(judge("binary"), "validation")
    binary.truths[:] = [1, 0]
    with pytest.raises(UserError, match="0 positive"):
        fit_readout(logits(binary), binary)


@pytest.mark.parametrize("task", TASKS)
def test_a_stored_readout_decides_as_the_fitted_one(task: Task) -> None:
    """Of calibrated probabilities, thresholds written down by class are all that is needed."""
    reading = read(judge(task))
    fitted, classes = reading.readout, reading.part.by.classes
    specific, sensitive = (dict(zip(classes, v.tolist(), strict=True)) for v in (fitted.specific, fitted.sensitive))
    decision = {label: fitted.decision_threshold(c) for c, label in enumerate(classes)}
    stored = fixed_readout(task, classes, specific, sensitive, decision)
    np.testing.assert_array_equal(stored.called(reading.p), fitted.called(reading.p))
    np.testing.assert_array_equal(stored.specific, fitted.specific)
    assert np.isnan(fixed_readout(task, classes, {}, {}, decision).sensitive).all()
