"""Losses: against direct computation, unknown labels count for nothing, what weights shift is taken back exactly."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgraft.networks.heads import CumulativeLink, Linear, make_head
from medgraft.params import Task
from medgraft.training.losses import (
    LARGEST_RATIO,
    class_weights,
    prior_shift,
    starting_logits,
    total_loss,
    training_loss,
)

NAN = float("nan")
TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")
IMBALANCES: tuple[Literal["weighted", "none"], ...] = ("weighted", "none")


def findings() -> NDArray[np.float32]:
    """Four findings of 400 images: common, rare, so rare that the ratio is capped, and one unknown for most."""
    labels = np.zeros((400, 4), dtype=np.float32)
    labels[:150, 0] = 1
    labels[100:140, 1] = 1
    labels[7, 2] = 1
    labels[:60, 3] = 1
    labels[100:, 3] = NAN
    labels[150:200, 0] = NAN
    return labels


def labels_of(task: Task) -> NDArray[Any]:
    if task == "multilabel":
        return findings()
    shares = [300, 100] if task == "binary" else [250, 9, 100, 41]
    return np.repeat(np.arange(len(shares)), shares)


def frequencies(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Shares of the images, or for multilabel of those where the finding is known."""
    if labels.ndim == 2:
        return np.asarray(np.nanmean(labels.astype(np.float64), axis=0))
    return np.bincount(labels) / len(labels)


def probabilities(task: Task, logits: Tensor) -> NDArray[np.float64]:
    p = logits.double().sigmoid() if task == "multilabel" else logits.double().softmax(-1)
    return p.detach().numpy()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("imbalance", IMBALANCES)
def test_images_that_tell_nothing_end_at_the_class_frequencies(
    task: Task, imbalance: Literal["weighted", "none"]
) -> None:
    # Every image has the same features, so the best that a proper loss can learn are the frequencies, exactly.
    labels = labels_of(task)
    classes = len(frequencies(labels))
    weights = class_weights(labels, classes, imbalance)
    head = make_head(task, "linear", [3], classes, seed=1)
    last = head[-1]
    assert isinstance(last, Linear | CumulativeLink)
    features = torch.tensor([0.3, -0.2, 0.1]).expand(len(labels), 3)
    with torch.no_grad():
        last.start_at(torch.linspace(-1, 1, classes))  # away from the answer
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        loss = training_loss(head(features), torch.from_numpy(labels), weights)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        return loss.item()

    for _ in range(3):
        optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch has no type for it
    with torch.no_grad():
        last.take_back(prior_shift(weights))
    np.testing.assert_allclose(probabilities(task, head(features[0:1])[0]), frequencies(labels), rtol=1e-3)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("imbalance", IMBALANCES)
def test_training_starts_where_that_ends(task: Task, imbalance: Literal["weighted", "none"]) -> None:
    labels = labels_of(task)
    classes = len(frequencies(labels))
    weights = class_weights(labels, classes, imbalance)
    start = starting_logits(labels, classes, weights)
    np.testing.assert_allclose(probabilities(task, start - prior_shift(weights)), frequencies(labels), rtol=1e-5)
    if imbalance == "weighted" and task != "multilabel":
        assert torch.equal(start, torch.zeros(classes))  # a fully weighted loss sees balanced classes
    start.requires_grad_()
    loss = training_loss(start.expand(len(labels), classes), torch.from_numpy(labels), weights)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
    assert start.grad is not None
    assert start.grad.abs().max() < 1e-6


def test_weights_by_hand() -> None:
    weights = class_weights(findings(), 4, "weighted").double().numpy()
    # n / (2 n_absent) and n / (2 n_present) of what is known
    np.testing.assert_allclose(weights[:, 0], [350 / 400, 350 / 300], rtol=1e-6)
    np.testing.assert_allclose(weights[:, 1], [400 / 720, 400 / 80], rtol=1e-6)
    np.testing.assert_allclose(weights[:, 3], [100 / 80, 100 / 120], rtol=1e-6)
    # capped: 1 present of 400 would ask for 399 times the weight
    np.testing.assert_allclose(weights[:, 2], np.array([1, LARGEST_RATIO]) * 400 / (LARGEST_RATIO + 399), rtol=1e-6)
    np.testing.assert_allclose(class_weights(np.repeat([0, 1], [30, 10]), 2, "weighted")[1], [40 / 60, 40 / 20])
    assert torch.equal(class_weights(findings(), 4, "none"), torch.ones(2, 4))


@pytest.mark.parametrize("column", [[0.0, 0.0, NAN], [1.0, 1.0, 1.0], [NAN, NAN, NAN]])
def test_a_finding_never_or_always_present_is_left_as_it_is(column: list[float]) -> None:
    labels = np.array([column, [1.0, 0.0, 0.0]], dtype=np.float32).T
    weights = class_weights(labels, 2, "weighted")
    assert weights[:, 0].tolist() == [1, 1]
    assert starting_logits(labels, 2, weights)[0] == prior_shift(weights)[0] == 0
    assert starting_logits(labels, 2, torch.ones(2, 2))[0] == 0


def test_unknown_labels_add_nothing_to_loss_and_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.from_numpy(findings()[80:120])
    unknown = labels.isnan()
    assert 0 < unknown.sum() < unknown.numel()
    weights = class_weights(findings(), 4, "weighted")
    logits = torch.randn(40, 4, generator=generator).requires_grad_()
    loss = training_loss(logits, labels, weights)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
    assert logits.grad is not None
    assert (logits.grad[unknown] == 0).all()
    assert (logits.grad[~unknown] != 0).all()
    moved = torch.where(unknown, logits + 1e4, logits)
    assert torch.equal(training_loss(moved, labels, weights), loss)
    (total, count), (again, _) = total_loss(logits, labels), total_loss(moved, labels)
    assert torch.equal(total, again)
    assert count == (~unknown).sum()


def test_multilabel_loss_is_the_direct_sum_over_all_entries() -> None:
    labels = findings()[80:120]
    weights = class_weights(findings(), 4, "weighted")
    logits = np.random.default_rng(2).normal(0, 2, labels.shape).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    entry = np.where(labels == 1, -np.log(p), -np.log(1 - p))
    entry[np.isnan(labels)] = 0
    factor = np.where(labels == 1, weights[1].double().numpy(), weights[0].double().numpy())
    found = training_loss(torch.from_numpy(logits), torch.from_numpy(labels), weights)
    assert found.item() == pytest.approx((entry * factor).sum() / labels.size, rel=1e-6)
    total, count = total_loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert total.item() == pytest.approx(entry.sum(), rel=1e-6)
    assert count == np.isfinite(labels).sum()


def test_ordinal_loss_is_the_likelihood_of_the_grade_between_its_thresholds() -> None:
    rng = np.random.default_rng(3)
    labels = labels_of("ordinal")
    weights = class_weights(labels, 4, "weighted")
    head = CumulativeLink(2, 4)
    thresholds, slope = np.array([-1.0, 0.3, 2.5]), np.array([0.7, -1.1])
    steps = np.diff(thresholds)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(slope)[None])
        head.first.fill_(thresholds[0])
        head.gaps.copy_(torch.from_numpy(np.log(np.expm1(steps))))
    features = rng.normal(0, 1, (len(labels), 2)).astype(np.float32)
    at_most = 1 / (1 + np.exp(features.astype(np.float64) @ slope[:, None] - thresholds))
    p = np.diff(at_most, axis=1, prepend=0, append=1)[np.arange(len(labels)), labels]
    expected = (-np.log(p) * weights[1].double().numpy()[labels]).mean()
    found = training_loss(head(torch.from_numpy(features)), torch.from_numpy(labels), weights)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    total, count = total_loss(head(torch.from_numpy(features)), torch.from_numpy(labels))
    assert total.item() == pytest.approx(-np.log(p).sum(), rel=1e-6)
    assert count == len(labels)


def test_the_divisor_does_not_depend_on_the_batch() -> None:
    # Batches of 40, added up, are the whole: so the prior that is learned is the one that is taken back.
    for task in TASKS:
        labels = torch.from_numpy(labels_of(task))
        classes = 4 if labels.dim() == 2 else int(labels.max()) + 1
        weights = class_weights(labels.numpy(), classes, "weighted")
        logits = torch.randn(400, classes, generator=torch.Generator().manual_seed(5))
        parts = [training_loss(logits[i : i + 40], labels[i : i + 40], weights) for i in range(0, 400, 40)]
        assert torch.allclose(torch.stack(parts).mean(), training_loss(logits, labels, weights), rtol=1e-6)
