"""What training minimises for every kind of label, and how much rare classes weigh in it.

Labels are int64 [B] where classes exclude each other, and float32 [B, classes] for multilabel: 1, 0 or NaN (unknown).
Weights are float32 [2, classes]: of an absent class, and of a present one. Classes that exclude each other use the
second row alone.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# A multilabel class with few positives would otherwise be learned from single images, whatever their noise.
LARGEST_RATIO = 20.0


def class_weights(labels: NDArray[Any], classes: int, imbalance: Literal["weighted", "none"]) -> Tensor:
    """The weights of a run, from the labels of its own train part; the mean over what is known of a class is one.

    `weighted`: inverse class frequencies, for multilabel n / (2 n_present) and n / (2 n_absent) of what is known, their
    ratio kept within `LARGEST_RATIO`; one and one for a class that is never, or always, present there. `none`: ones.
    """
    return torch.ones(2, classes) if imbalance == "none" else _balancing(labels, classes, LARGEST_RATIO)


def prior_shift(weights: Tensor) -> Tensor:
    """What these weights add to the logits that are learned, float32 [classes].

    Subtracted from them, it gives the probabilities of the unweighted images (Elkan 2001, "The foundations of
    cost-sensitive learning"; Menon et al., arXiv 2007.07314, section 4.2).
    """
    return (weights[1] / weights[0]).log()


def starting_logits(labels: NDArray[Any], classes: int, weights: Tensor) -> Tensor:
    """Logits of the class frequencies as the weighted loss sees them, where training starts: float32 [classes].

    Zero for a multilabel class that is never, or always, present.
    """
    return prior_shift(weights) - prior_shift(_balancing(labels, classes, float("inf")))


def training_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy, or for multilabel binary cross-entropies, averaged over the images (and classes).

    Unknown entries add nothing to it, nor to its gradient. The divisor does not depend on the labels of the batch:
    otherwise a batch without the rare class would count as much as one with it, and the prior that is learned would
    not be the one taken back later.
    """
    if labels.dim() == 1:
        return (functional.cross_entropy(logits, labels, reduction="none") * weights[1][labels]).mean()
    return (_binary(logits, labels) * torch.where(labels > 0, weights[1], weights[0])).mean()


def total_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """The unweighted loss, added up over all that is known, and how much that is: images, or their labels."""
    sums, counts = losses(logits, labels)
    return sums.sum(), int(counts.sum())


def losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The unweighted loss of each image, added up over what is known of it, and how much that is: [B] and int64 [B]."""
    if labels.dim() == 1:
        return functional.cross_entropy(logits, labels, reduction="none"), torch.ones_like(labels)
    return _binary(logits, labels).sum(1), (~labels.isnan()).sum(1)


def _binary(logits: Tensor, labels: Tensor) -> Tensor:
    unknown = labels.isnan()
    given = logits if logits.dtype == torch.float64 else logits.float()
    found = functional.binary_cross_entropy_with_logits(given, labels.nan_to_num().to(given.dtype), reduction="none")
    return found.masked_fill(unknown, 0.0)


def _balancing(labels: NDArray[Any], classes: int, largest_ratio: float) -> Tensor:
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=classes).astype(np.float64)
        inverse = torch.tensor(counts.sum() / (classes * counts), dtype=torch.float32)
        return torch.stack([torch.ones(classes), inverse])
    present, absent = ((labels == truth).sum(axis=0).astype(np.float64) for truth in (1, 0))
    both = (present > 0) & (absent > 0)
    ratio = np.divide(absent, present, out=np.ones(classes), where=both).clip(1 / largest_ratio, largest_ratio)
    known = present + absent
    low = np.divide(known, present * ratio + absent, out=np.ones(classes), where=known > 0)
    return torch.tensor(np.stack([low, low * ratio]), dtype=torch.float32)
