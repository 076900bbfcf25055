"""Linear probes: L2-regularised logistic regression on stored features, its strength chosen by patient-grouped folds.

The strength is scikit-learn's C, see `logistic`; the weights it holds down act on standardised features.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medgraft.errors import UserError
from medgraft.networks.heads import Standardise
from medgraft.params import Task
from medgraft.training.folds import folds
from medgraft.training.logistic import Floats, Labels, State, make_last, path, principal_axes
from medgraft.training.losses import class_weights, losses
from medgraft.training.standardisation import standardisation

Features = NDArray[np.float32] | NDArray[np.float64]
Imbalance = Literal["weighted", "none"]

FOLDS = 5
# Of the searches (`logistic.path`) in cross-validation, which needs losses, and of the one whose weights stay: the
# losses near their minimum are then right to 1e-4 of them, the weights to 1e-4 of their standard errors.
FOLDS_TOLERANCE, TOLERANCE = 3e-3, 1e-4
# Weaker regularisation is not tried once the loss over all folds is this much over its lowest: from there it only
# rises, and that is where the search takes longest.
RISEN = 1.1


@dataclass(frozen=True)
class Strengths:
    """A log grid of C.

    C is the variance that the penalty expects of a weight: it does not grow with n, and as d weights together make
    logits of order one, the best is found around 1 / d. At 1e-6 even many thousand features are held down, at 1e2 only
    directions that hardly vary, which few features of many images may need. (CLIP, arXiv 2103.00020, appendix A.3,
    searches 1e-6 to 1e6.) Half decades are enough: the loss is flat around its minimum.
    """

    lowest: float = 1e-6
    highest: float = 1e2
    count: int = 17

    def values(self) -> Floats:
        """Ascending, from strong to weak regularisation: float64 [count]."""
        return np.geomspace(self.lowest, self.highest, self.count)


GRID = Strengths()


@dataclass(frozen=True)
class Probe:
    """A last layer on features less `mean` and divided by `scale`, float64 [d] each.

    `last` is the state of a `heads.Linear` (weight [C, d], bias [C]) or, ordinal, of a `heads.CumulativeLink` (weight
    [1, d], first [1], gaps [C - 2], offset [C]), float64, what a weighted loss has shifted taken back. A constant
    feature has an infinite scale, see `standardisation`.
    """

    mean: Floats
    scale: Floats
    last: Mapping[str, Floats]


@dataclass(frozen=True)
class Fit:
    """A probe, and what cross-validation told about its strength.

    `strength`: the C chosen; `edge`: whether it is the first or last of the grid. `losses` float64 [grid]: for each C
    the mean unweighted loss (nats) of all that is known, each image under the probe of the folds it is not in; infinite
    where the search did not go that far. `error`: standard error of the chosen one's, patients being the unit.
    `folds`: how many there were. `logits` float64 [n, C]: of each image under that probe, at the chosen C. `probe`:
    fitted to all images with the chosen C.
    """

    strength: float
    edge: bool
    losses: Floats
    error: float
    folds: int
    logits: Floats
    probe: Probe

    @property
    def loss(self) -> float:
        """That at the chosen C."""
        return float(self.losses.min())


def fit_probe(
    features: Features,
    labels: Labels,
    groups: Sequence[str],
    task: Task,
    classes: int,
    imbalance: Imbalance,
    seed: int,
    what: str,
    widths: Sequence[int] | None = None,
    grid: Strengths = GRID,
) -> Fit:
    """The probe of the C with the lowest cross-validated loss; of equal ones, the smallest.

    features [n, d], of several backbones side by side if `widths` says how wide each one's are; labels int64 [n], or
    float32 [n, C] of 1, 0 and NaN (unknown); groups [n]: patients, who are whole in one of at most `FOLDS` folds. Class
    weights are those of the other folds; standardisation, in which no label is, is that of all images, so that one
    rotation serves all folds. The last fit keeps the chosen C although it sees more images: C is a variance expected of
    the weights, which are the same. A multilabel class that is never, or always, present gets a constant
    (`logistic.path`). Raises `UserError`, naming the features as `what`, for some that are not finite, for an exclusive
    class without images, and as `folds.folds` does.
    """
    _check(features, labels, classes, what)
    try:
        fold_of = folds(groups, _truths(labels, classes), FOLDS, seed)
    except UserError as error:
        raise UserError(f"{what}: {error}") from error
    strengths = grid.values()
    rotated = _rotate(features, widths or [features.shape[1]])
    x = rotated.x
    outside = np.empty((len(strengths), len(features), classes))
    totals, known = np.full((len(strengths), len(features)), np.inf), np.zeros(len(features))
    held = [fold_of == fold for fold in np.unique(fold_of)]

    def path_without(out: NDArray[np.bool_]) -> Iterator[State]:
        weights = class_weights(labels[~out], classes, imbalance)
        return path(x[~out], labels[~out], task, classes, weights, strengths, FOLDS_TOLERANCE)

    paths = [path_without(out) for out in held]
    # Every fold takes the same step before any takes the next: what is chosen, and where it ends, is told by their sum.
    for place, states in enumerate(zip(*paths, strict=True)):
        for out, state in zip(held, states, strict=True):
            outside[place, out] = _applied(state, x[out])
        found, counts = losses(torch.from_numpy(outside[place]), torch.from_numpy(labels))
        totals[place], known = found.numpy(), counts.numpy()
        if totals[place].sum() > RISEN * totals.sum(axis=1).min():
            break
    mean_losses = totals.sum(axis=1) / known.sum()
    best = int(mean_losses.argmin())
    strength = float(strengths[best])
    return Fit(
        strength=strength,
        edge=best in (0, len(strengths) - 1),
        losses=mean_losses,
        error=_clustered_error(totals[best], known, groups),
        folds=len(np.unique(fold_of)),
        logits=outside[best],
        probe=_fit(rotated, labels, task, classes, imbalance, strength),
    )


@torch.no_grad()
def fill(head: nn.Sequential, probe: Probe) -> None:
    """Make a head of kind `standardised_linear` give the probe's logits, in the head's own precision."""
    standardise, last = head
    assert isinstance(standardise, Standardise)
    standardise.mean.copy_(torch.from_numpy(probe.mean))
    standardise.scale.copy_(torch.from_numpy(probe.scale))
    last.load_state_dict(_tensors(probe.last))


def _tensors(state: Mapping[str, Floats]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in state.items()}


@dataclass(frozen=True, eq=False)
class _Rotated:
    """Standardised features along their principal axes: x [n, r], axes [r, d]."""

    mean: Floats
    scale: Floats
    axes: Floats
    x: Floats


def _rotate(features: Features, widths: Sequence[int]) -> _Rotated:
    mean, scale = standardisation(features, widths)
    x = (features - mean) / scale
    axes = principal_axes(x)
    return _Rotated(mean, scale, axes, x @ axes.T)


def _fit(rotated: _Rotated, labels: Labels, task: Task, classes: int, imbalance: Imbalance, strength: float) -> Probe:
    # Twice: the second search knows the curvature at the optimum, so that its tolerance is what it is meant to be.
    twice = np.array([strength, strength])
    weights = class_weights(labels, classes, imbalance)
    _, last = path(rotated.x, labels, task, classes, weights, twice, TOLERANCE)
    last["weight"] = last["weight"] @ rotated.axes
    last["weight"][:, np.isinf(rotated.scale)] = 0.0  # after two rotations it is rounding
    return Probe(rotated.mean, rotated.scale, last)


def _applied(state: Mapping[str, Floats], x: Floats) -> Floats:
    """Logits float64 [n, C] of a last layer on x [n, d]."""
    tensors = _tensors(state)
    classes = len(tensors["offset"] if "first" in tensors else tensors["bias"])
    last = make_last("first" in tensors, x.shape[1], classes)
    last.load_state_dict(tensors)
    with torch.no_grad():
        return np.asarray(last(torch.from_numpy(x)).numpy(), dtype=np.float64)


def _clustered_error(losses: Floats, known: Floats, groups: Sequence[str]) -> float:
    """Standard error of sum(losses) / sum(known), images belonging to patients.

    That folds share training images is left out, as it has to be (Bengio & Grandvalet 2004, "No unbiased estimator of
    the variance of k-fold cross-validation").
    """
    patient = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums, counts = (np.bincount(patient, weights=each).astype(np.float64) for each in (losses, known))
    return ratio(sums, counts)[1]


def ratio(sums: Floats, counts: Floats) -> tuple[float, float]:
    """sum(sums) / sum(counts) of patients, who are independent, and its standard error; float64 [patients] each.

    Cochran 1977, "Sampling techniques", section 6.3.
    """
    found = sums.sum() / counts.sum()
    residuals = sums - found * counts
    n = len(residuals)
    return float(found), float(np.sqrt(np.square(residuals).sum() * n / (n - 1)) / counts.sum())


def _truths(labels: Labels, classes: int) -> Floats:
    """What folds share fairly: images of each class, or images known to have, and known not to have, each finding."""
    if labels.ndim == 1:
        return np.asarray(labels[:, None] == np.arange(classes), dtype=np.float64)
    return np.hstack([labels, 1 - labels]).astype(np.float64)


def _check(features: Features, labels: Labels, classes: int, what: str) -> None:
    broken = ~np.isfinite(features).all(axis=1)
    if broken.any():
        raise UserError(
            f"{what}: {broken.sum()} of {len(features)} images have features that are NaN or infinite (the first is "
            f"row {int(broken.argmax())}): check the images, or leave this source out"
        )
    if labels.ndim == 1:
        absent = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
        if len(absent):
            raise UserError(
                f"{what}: no image of class {', '.join(map(str, absent))} (counted from 0): take a larger label "
                "fraction, or leave the class out"
            )
