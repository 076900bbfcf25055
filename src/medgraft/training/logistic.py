"""L2-regularised logistic regression of every kind of label, along a path of strengths C.

What is minimised is scikit-learn's: the sum of the (weighted) losses of all that is known, plus ||V||² / (2 C). V
[scores, d] has a score for each class; binary has a single one, the difference of its two logits, and so has ordinal
(`CumulativeLink`). Biases and thresholds go free.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from medgraft.networks.heads import CumulativeLink, Linear
from medgraft.params import Task
from medgraft.training.losses import prior_shift, starting_logits, training_loss

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float32]
State = dict[str, Floats]

# Directions whose variance is this much smaller than the largest one's are rounding.
NULL = 1e-12
# The search may end early, where rounding hides any progress; but not with a gradient like this.
LARGEST_GRADIENT = 0.1


def path(
    x: Floats, labels: Labels, task: Task, classes: int, weights: Tensor, strengths: Floats, tolerance: float
) -> Iterator[State]:
    """For each C, ascending, the state of a `Linear` or `CumulativeLink` on x [n, d]; each search starts at the last.

    labels int64 [n], every class there, or float32 [n, C] of 1, 0 and NaN (unknown); `weights` of `class_weights`,
    whose `prior_shift` is taken back. A multilabel class that is never, or always, present would want an infinite
    bias: it gets the log odds of its counts with a half added to each (Jeffreys' prior), and no weights.
    `tolerance`: of the gradient in coordinates where the second derivative was about one at the start of the search,
    so, once that is near its end, of every weight in units of its own standard error. The search is quick where the
    columns of x are nearly uncorrelated, see `principal_axes`. Raises `RuntimeError` where the tolerance is missed by
    far.
    """
    telling = _telling(labels)
    link = _link(task, classes)
    with torch.no_grad():
        link.start_at(_start(labels, classes, weights))
    v = np.zeros((link.weight.shape[1], x.shape[1]))
    for strength in strengths:
        v = _minimise(link, x, v, telling, weights.double(), strength, tolerance)
        done = deepcopy(link)
        with torch.no_grad():
            done.take_back(prior_shift(weights))
        state = {name: value.numpy() for name, value in done.state_dict().items()}
        yield state | {"weight": state["weight"] @ v}


def principal_axes(x: Floats) -> Floats:
    """Orthonormal rows [r, d], r <= min(n, d), that span those of x [n, d], along its principal axes.

    As the penalty does not change under rotation, and weights outside of the span would only add to it, the optimum is
    the same (Hastie & Tibshirani 2004, "Efficient quadratic regularization for expression arrays", theorem 1). The
    axes make the second derivative nearly diagonal, see `_minimise`.
    """
    n, d = x.shape
    if d <= n:
        return np.asarray(np.linalg.eigh(x.T @ x)[1].T)
    variances, axes = np.linalg.eigh(x @ x.T)
    real = variances > NULL * variances[-1]
    return np.asarray((axes[:, real] / np.sqrt(variances[real])).T @ x)


def _minimise(
    link: Linear | CumulativeLink,
    x: Floats,
    v: Floats,
    labels: Tensor,
    weights: Tensor,
    strength: float,
    tolerance: float,
) -> Floats:
    """V [scores, r] of the lowest penalised loss, from `v` and the biases of `link` on, which are moved to theirs.

    L-BFGS (Zhu et al. 1997, algorithm 778) in coordinates where the second derivative is about one: that of the loss is
    x' D x, with D about the mean squared gradient of the scores (the Fisher information), and x' x nearly diagonal.
    """
    free = [p for p in link.parameters() if p.requires_grad]

    def loss(v: Floats) -> tuple[float, Floats, Floats]:
        """And its gradients by scores [n, scores] and biases."""
        scores = torch.from_numpy(x @ v.T).requires_grad_()
        value = training_loss(link(scores), labels, weights) * labels.numel()  # of a mean, the sum
        by_scores, *by_free = torch.autograd.grad(value, [scores, *free])
        return value.item(), by_scores.numpy(), parameters_to_vector(by_free).numpy()

    information = np.square(loss(v)[1]).mean(axis=0)
    stretch = np.sqrt(information[:, None] * np.square(x).sum(axis=0) + 1 / strength)
    stretch_free = np.sqrt(information.mean() * len(x) + 1)

    def unpack(stretched: Floats) -> Floats:
        vector_to_parameters(torch.from_numpy(stretched[v.size :] / stretch_free), free)
        return np.asarray(stretched[: v.size].reshape(v.shape) / stretch)

    def penalised(stretched: Floats) -> tuple[float, Floats]:
        v = unpack(stretched)
        value, by_scores, by_free = loss(v)
        by_v = (by_scores.T @ x + v / strength) / stretch
        return value + float(np.square(v).sum()) / (2 * strength), np.append(by_v, by_free / stretch_free)

    found = minimize(
        penalised,
        np.append(v * stretch, parameters_to_vector(free).detach().numpy() * stretch_free),
        method="L-BFGS-B",
        jac=True,
        options={"gtol": tolerance, "ftol": 1e-14, "maxiter": 10_000, "maxfun": 20_000},
    )
    if not np.abs(found.jac).max() < LARGEST_GRADIENT:
        raise RuntimeError(f"the search for the optimum at C = {strength:g} has not ended: {found.message}")
    return unpack(found.x)


def _link(task: Task, classes: int) -> Linear | CumulativeLink:
    """From scores to logits, float64: only its biases or thresholds are free."""
    weight = {"ordinal": torch.ones(1, 1), "binary": torch.tensor([[-0.5], [0.5]])}.get(task, torch.eye(classes))
    link = make_last(task == "ordinal", weight.shape[1], classes)
    link.weight.requires_grad_(False).copy_(weight)
    return link


def make_last(ordinal: bool, features: int, classes: int) -> Linear | CumulativeLink:
    """A last layer in float64, all zero: to draw its parameters would advance torch's global state."""
    with torch.device("meta"):
        last = CumulativeLink(features, classes) if ordinal else Linear(features, classes)
    last = last.to_empty(device="cpu").double()
    for value in last.state_dict().values():
        value.zero_()
    return last


def _start(labels: Labels, classes: int, weights: Tensor) -> Tensor:
    """Logits [C] of the class frequencies; of a half more of each for a multilabel class that has one value only."""
    start = starting_logits(labels, classes, weights).double()
    if labels.ndim == 1:
        return start
    present, absent = (torch.from_numpy((labels == value).sum(axis=0) + 0.5) for value in (1, 0))
    return torch.where(_both(labels), start, (present / absent).log())


def _telling(labels: Labels) -> Tensor:
    """The labels, unknown where a multilabel class has one value only."""
    given = torch.from_numpy(labels)
    return given if labels.ndim == 1 else given.masked_fill(~_both(labels), torch.nan)


def _both(labels: NDArray[Any]) -> Tensor:
    """Bool [C]: whether a multilabel class is known to be present in some image, and absent in another."""
    return torch.from_numpy((labels == 1).any(axis=0) & (labels == 0).any(axis=0))
