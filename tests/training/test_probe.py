"""The probe: what cross-validation tells is honest, heads filled with it give its logits, bad input is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from medgraft.errors import UserError
from medgraft.networks.heads import make_head
from medgraft.params import Task
from medgraft.training import probe
from medgraft.training.folds import folds
from medgraft.training.logistic import Floats
from medgraft.training.losses import total_loss
from medgraft.training.probe import Imbalance, Probe, Strengths, fill, fit_probe

NAN = float("nan")
TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")
GRID = Strengths(1e-4, 1e1, 6)


def cohort(task: Task, n: int = 120, d: int = 12, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[Any], list[str]]:
    """Features of uneven scales and means, labels that depend on them, two images a patient."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    scores = x @ rng.normal(size=(d, 4)) + rng.normal(size=(n, 4))
    labels: NDArray[Any]
    if task == "multilabel":
        labels = (scores > 1).astype(np.float32)
        labels[rng.random((n, 4)) < 0.3] = NAN
    elif task == "ordinal":
        labels = np.searchsorted([-3.0, 0.0, 4.0], scores[:, 0])
    else:
        labels = scores[:, : 2 if task == "binary" else 4].argmax(axis=1)
    spread = np.geomspace(0.3, 3, d)
    return (x * spread + 3 * spread).astype(np.float32), labels, [f"p{i // 2}" for i in range(n)]


def classes_of(task: Task) -> int:
    return 2 if task == "binary" else 4


def at(strength: float, x: NDArray[np.float32], labels: NDArray[Any], task: Task, imbalance: Imbalance) -> Probe:
    """The probe of that C alone; two images a patient."""
    groups = [f"p{i // 2}" for i in range(len(x))]
    one = Strengths(strength, strength, 1)
    return fit_probe(x, labels, groups, task, classes_of(task), imbalance, 0, "features", grid=one).probe


def logits(probe: Probe, x: NDArray[Any]) -> Floats:
    """What a probe says, by the formulae of `networks.heads`."""
    z = (x - probe.mean) / probe.scale @ probe.last["weight"].T
    if "first" not in probe.last:
        return np.asarray(z + probe.last["bias"])
    gaps = np.logaddexp(0, probe.last["gaps"]).cumsum()
    thresholds = probe.last["first"] + np.array([0.0, *gaps])
    at_most = 1 / (1 + np.exp(z - thresholds))
    return np.asarray(np.log(np.diff(at_most, prepend=0.0, append=1.0)) - probe.last["offset"])


def mean_loss(found: Floats, labels: NDArray[Any]) -> float:
    total, count = total_loss(torch.from_numpy(found), torch.from_numpy(labels))
    return total.item() / count


@pytest.mark.parametrize("imbalance", ["weighted", "none"])
@pytest.mark.parametrize("task", TASKS)
def test_what_is_told_follows_from_the_logits_out_of_fold(task: Task, imbalance: Imbalance) -> None:
    x, labels, groups = cohort(task)
    found = fit_probe(x, labels, groups, task, classes_of(task), imbalance, 3, "features", grid=GRID)
    best = int(np.argmin(found.losses))
    assert found.strength == GRID.values()[best]
    assert found.edge == (best in (0, 5))
    assert found.folds == 5
    assert found.losses[best] == pytest.approx(mean_loss(found.logits, labels), rel=1e-5)
    nothing = at(1.0, np.zeros_like(x), labels, task, imbalance)
    assert found.losses[best] < 0.8 * mean_loss(logits(nothing, x), labels)
    again = at(found.strength, x, labels, task, imbalance)
    np.testing.assert_array_equal(logits(again, x), logits(found.probe, x))


def test_each_fold_is_scikit_learns_of_the_other_folds_alone() -> None:
    x, labels, groups = cohort("multiclass")
    one = Strengths(0.03, 0.03, 1)
    found = fit_probe(x, labels, groups, "multiclass", 4, "none", 3, "features", grid=one)
    assert found.edge
    fold_of = folds(groups, np.asarray(labels[:, None] == np.arange(4), dtype=np.float64), 5, 3)
    for fold in range(5):
        held = fold_of == fold
        wide = x.astype(np.float64)
        mean, scale = wide.mean(axis=0), wide.std(axis=0)  # of all: no label is in it
        theirs = LogisticRegression(C=0.03, tol=1e-8, solver="newton-cholesky").fit(
            (wide[~held] - mean) / scale, labels[~held]
        )
        expected = theirs.predict_log_proba((wide[held] - mean) / scale)
        ours = torch.from_numpy(found.logits[held]).log_softmax(1).numpy()
        np.testing.assert_allclose(ours, expected, atol=5e-3)


def test_what_a_patient_tells_of_another_is_not_told_of_himself() -> None:
    # Twins of noise: an image of the same patient gives the label away, so that rows in folds would look informative.
    rng = np.random.default_rng(1)
    x = np.repeat(rng.normal(size=(40, 200)), 2, axis=0)
    labels = np.repeat(rng.integers(0, 2, 40), 2)
    rows = [str(i) for i in range(80)]
    patients = [str(i // 2) for i in range(80)]
    leaking = fit_probe(x, labels, rows, "binary", 2, "none", 0, "features", grid=GRID)
    honest = fit_probe(x, labels, patients, "binary", 2, "none", 0, "features", grid=GRID)
    assert leaking.losses.min() < 0.6 < 0.68 < honest.losses.min()
    assert honest.strength == GRID.lowest
    assert honest.edge


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_a_patient_who_is_unlike_the_others_does_not_end_the_search_alone(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(10) % 2
    seen = np.where(np.arange(10) == 0, 1 - labels, labels)  # the first patient looks like the other class
    patients = rng.normal(size=(10, 8)) * 0.3 + np.outer(2 * seen - 1, np.full(8, 2.5 / np.sqrt(8)))
    x = np.repeat(patients, 20, 0) + 0.3 * rng.normal(size=(200, 8))
    given = (x, np.repeat(labels, 20), [f"p{i // 20}" for i in range(200)])
    found = fit_probe(*given, "binary", 2, "weighted", seed, "features")
    monkeypatch.setattr(probe, "RISEN", np.inf)
    whole = fit_probe(*given, "binary", 2, "weighted", seed, "features")
    assert np.isfinite(whole.losses).all()
    assert not np.isfinite(found.losses).all()  # it does end early
    assert (found.strength, found.loss) == (whole.strength, whole.loss)


def test_the_error_counts_patients_not_images() -> None:
    x, labels, groups = cohort("binary", n=80)
    one = Strengths(0.1, 0.1, 1)
    fit = fit_probe(x, labels, groups, "binary", 2, "none", 0, "features", grid=one)
    image_losses = -torch.from_numpy(fit.logits).log_softmax(1).numpy()[np.arange(80), labels]
    # Patients of equal size: the standard error of the mean of their means.
    per_patient = image_losses.reshape(40, 2).mean(axis=1)
    assert fit.error == pytest.approx(per_patient.std(ddof=1) / np.sqrt(40), rel=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_a_head_filled_with_it_gives_its_logits(task: Task) -> None:
    x, labels, _ = cohort(task)
    x[:, 4] = 2.5
    probe = at(0.1, x, labels, task, "weighted")
    head = make_head(task, "standardised_linear", [x.shape[1]], classes_of(task), 0)
    fill(head, probe)
    with torch.no_grad():
        found = head(torch.from_numpy(x)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, logits(probe, x), atol=1e-4)
    fill(head.double(), probe)
    with torch.no_grad():
        np.testing.assert_allclose(head(torch.from_numpy(x).double()).numpy(), logits(probe, x), atol=1e-9)


def test_a_constant_feature_counts_for_nothing_and_neither_does_rounding() -> None:
    x, labels, _ = cohort("binary")
    rng = np.random.default_rng(0)
    x[:, 3] = 0.1
    x[:, 5] = 1 + 1e-6 * rng.normal(size=len(x))  # a constant, as far as float32 goes
    x[:, 7] = 0
    x[::2, 7] = 1e-9  # small, but it varies
    probe = at(1.0, x, labels, "binary", "none")
    assert (probe.last["weight"][:, [3, 5]] == 0).all()
    assert np.isinf(probe.scale[[3, 5]]).all()
    assert (probe.last["weight"][:, 7] != 0).all()
    elsewhere = x.copy()
    elsewhere[:, [3, 5]] = 1e6
    np.testing.assert_array_equal(logits(probe, elsewhere), logits(probe, x))


def test_what_was_faint_in_train_does_not_decide_elsewhere() -> None:
    x, labels, groups = cohort("binary")
    x[:, 5] = 0
    x[0, 5] = 1e-6  # a rectified unit that was off in all images but one
    found = fit_probe(x, labels, groups, "binary", 2, "none", 0, "features", grid=GRID).probe
    elsewhere = x.copy()
    elsewhere[:, 5] = np.median(x.std(axis=0))
    assert np.abs(logits(found, elsewhere) - logits(found, x)).max() < 0.1


def test_features_side_by_side_do_not_set_each_others_scale() -> None:
    x, labels, groups = cohort("binary")
    small = np.hstack([x[:, 6:] * 1e-5, x[:, :6]])
    found = fit_probe(small, labels, groups, "binary", 2, "none", 0, "features", [6, 6], GRID)
    as_was = fit_probe(
        np.hstack([x[:, 6:], x[:, :6]]), labels, groups, "binary", 2, "none", 0, "features", [6, 6], GRID
    )
    np.testing.assert_allclose(found.losses, as_was.losses, rtol=1e-4)
    as_one = fit_probe(small, labels, groups, "binary", 2, "none", 0, "features", grid=GRID)
    assert as_one.loss > found.loss + 0.05


def test_unit_and_origin_of_features_and_order_of_rows_do_not_count() -> None:
    x, labels, groups = cohort("ordinal", n=60)
    wide = x.astype(np.float64)
    rng = np.random.default_rng(2)
    first = fit_probe(wide, labels, groups, "ordinal", 4, "weighted", 1, "features", grid=GRID)
    moved = 7.0 * wide + rng.normal(size=x.shape[1]) * wide.std(axis=0)
    order = rng.permutation(len(x))
    again = fit_probe(
        moved[order], labels[order], [groups[i] for i in order], "ordinal", 4, "weighted", 1, "features", grid=GRID
    )
    assert again.strength == first.strength
    np.testing.assert_allclose(again.losses, first.losses, rtol=5e-3)
    np.testing.assert_allclose(logits(again.probe, moved), logits(first.probe, wide), atol=1e-2)


def test_a_finding_of_a_single_patient_does_not_break_the_folds() -> None:
    x, labels, groups = cohort("multilabel")
    labels[:, 3] = 0
    labels[5, 3] = 1
    found = fit_probe(x, labels, groups, "multilabel", 4, "weighted", 0, "features", grid=GRID)
    assert np.isfinite(found.logits).all()
    assert np.isfinite(found.losses).all()
    assert np.isfinite(found.error)


def test_more_features_than_images() -> None:
    x, labels, groups = cohort("multilabel", n=40, d=300)
    found = fit_probe(x, labels, groups, "multilabel", 4, "none", 0, "features", grid=GRID)
    assert found.probe.last["weight"].shape == (4, 300)
    assert np.isfinite(logits(found.probe, x)).all()


def test_bad_input_is_refused() -> None:
    x, labels, groups = cohort("multiclass")
    for value in (NAN, float("inf")):
        broken = x.copy()
        broken[[4, 9], 2] = value
        with pytest.raises(UserError, match=r"resnet50 of 'lungs': 2 of 120 images .* NaN or infinite .* row 4"):
            fit_probe(broken, labels, groups, "multiclass", 4, "none", 0, "resnet50 of 'lungs'")
    with pytest.raises(UserError, match="no image of class 4, 5"):
        fit_probe(x, labels, groups, "multiclass", 6, "none", 0, "features")
