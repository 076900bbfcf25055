"""Heads: from pooled features to one logit a class, for every kind of label.

Every last layer knows two things about priors: how to start from given class frequencies, and how to take back a shift
that a weighted loss has put into what it learned.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from medgraft.networks.fusion import WIDTH, MeanProbability, ModelAttention
from medgraft.params import Task

Kind = Literal["linear", "standardised_linear", "mean_probability", "dvme"]


class Standardise(nn.Module):
    """Float [B, features] → the same, less `mean` and divided by `scale`, which training images have told."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, features: Tensor) -> Tensor:
        """Standardised features."""
        return (features - self.mean) / self.scale


class Linear(nn.Linear):
    """Float [B, features] → one logit a class [B, classes], of a softmax or of sigmoids."""

    def start_at(self, logits: Tensor) -> None:
        """Give these logits, float [classes], where all features are zero."""
        self.bias.copy_(logits)

    def take_back(self, shift: Tensor) -> None:
        """Subtract `shift`, float [classes], from the logits."""
        self.bias.sub_(shift)


class CumulativeLink(nn.Module):
    """Proportional odds (McCullagh 1980, "Regression models for ordinal data", section 2): grades from one score.

    Float [B, features] → [B, classes]: log P(y = k), where P(y <= k) = sigmoid(threshold_k - weight · features). The
    thresholds ascend by construction: the first is free, every next one lies softplus(gap) > 0 higher.

    `offset` [classes] is subtracted at the end; as long as it is zero the outputs are log-probabilities, afterwards
    logits whose softmax gives the probabilities. A higher score means a higher grade in either case: weighting grades
    keeps their likelihood ratios in order.
    """

    offset: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, features))
        self.first = nn.Parameter(torch.empty(1))
        self.gaps = nn.Parameter(torch.empty(classes - 2))
        self.register_buffer("offset", torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities less the offset; finite for every finite score.

        For thresholds a > b, sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)); and a - b is
        softplus(gap), which makes the last factor sigmoid(gap). So no difference is ever taken.
        """
        score = functional.linear(features, self.weight).to(self.first.dtype)
        distance = self.thresholds() - score
        at_most, more = _log_sigmoid(distance), _log_sigmoid(-distance)
        between = at_most[:, 1:] + more[:, :-1] + _log_sigmoid(self.gaps)
        return torch.cat([at_most[:, :1], between, more[:, -1:]], dim=1) - self.offset

    def thresholds(self) -> Tensor:
        """Where P(y <= k) is one half, ascending: float [classes - 1]."""
        return torch.cat([self.first, self.first + functional.softplus(self.gaps).cumsum(0)])

    def start_at(self, logits: Tensor) -> None:
        """Give the probabilities softmax(logits), float [classes], where all features are zero."""
        log_p = logits.double().log_softmax(0)
        below, over = log_p.logcumsumexp(0)[:-1], log_p.flip(0).logcumsumexp(0).flip(0)[1:]
        thresholds = below - over
        gaps = thresholds.diff()
        self.first.copy_(thresholds[:1])
        self.gaps.copy_(gaps + (-torch.expm1(-gaps)).log())

    def take_back(self, shift: Tensor) -> None:
        """Subtract `shift`, float [classes], from the logits."""
        self.offset.add_(shift)


def _log_sigmoid(x: Tensor) -> Tensor:
    # Not `logsigmoid`: its ONNX export is log(sigmoid(x)), which is -inf below -104.
    return -functional.softplus(-x)


def make_head(task: Task, kind: Kind, widths: Sequence[int], classes: int, seed: int) -> nn.Sequential:
    """A head drawn from `seed`, at equal probabilities, on the features of one or several backbones side by side.

    `kind` says what precedes the last layer: nothing; a standardisation of the features (`standardised_linear`); that
    and attention across models (`dvme`). A `mean_probability` has a standardised linear classifier for each backbone.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        if kind == "linear":
            return nn.Sequential(_last(task, sum(widths), classes))
        if kind == "standardised_linear":
            return _standardised(task, sum(widths), classes)
        if kind == "dvme":
            return nn.Sequential(Standardise(sum(widths)), ModelAttention(widths), _last(task, WIDTH, classes))
        members = [_standardised(task, width, classes) for width in widths]
        return nn.Sequential(MeanProbability(members, widths, exclusive=task != "multilabel"))


def _standardised(task: Task, features: int, classes: int) -> nn.Sequential:
    return nn.Sequential(Standardise(features), _last(task, features, classes))


def _last(task: Task, features: int, classes: int) -> nn.Module:
    last = CumulativeLink(features, classes) if task == "ordinal" else Linear(features, classes)
    nn.init.trunc_normal_(last.weight, std=0.01)
    last.start_at(torch.zeros(classes))
    return last
