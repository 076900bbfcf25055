"""Heads over several backbones at once: attention across models (DVME), and the mean of their probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 512  # of every projected model, and of what they are merged to (DVME, arXiv 2108.10048, section 3)
HEADS = 8


class ModelAttention(nn.Module):
    """DVME: float [B, sum of widths] → [B, 512], by self-attention in which each token is a model, not a patch.

    Truong et al., "How Transferable Are Self-supervised Features in Medical Image Classification Tasks"
    (arXiv 2108.10048): every model's features are projected to 512, attend to each other's, and are concatenated and
    projected to 512. Where the paper is silent, these are our choices: a LayerNorm after each projection, one
    pre-norm layer with 8 heads and a residual, no embedding that tells models apart (each has a projection of its own),
    GELU at the end.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = list(widths)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(width, WIDTH), nn.LayerNorm(WIDTH)) for width in widths
        )
        self.before = nn.LayerNorm(WIDTH)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.merge = nn.Linear(len(self.widths) * WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        """Features of all models side by side → what the last layer reads."""
        tokens, _ = self.attend(features)
        return functional.gelu(self.merge(tokens.flatten(1)))

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, models, 512] after attention, and its weights [B, heads, models, models], rows adding up to 1."""
        parts = torch.split(features, self.widths, dim=1)
        tokens = torch.stack([project(part) for project, part in zip(self.projections, parts, strict=True)], dim=1)
        batch, models, _ = tokens.shape
        # [3, B, heads, models, width of a head]
        mixed = self.queries_keys_values(self.before(tokens)).view(batch, models, 3, HEADS, WIDTH // HEADS)
        queries, keys, values = mixed.permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5).softmax(-1)
        heard = (weights @ values).transpose(1, 2).reshape(batch, models, WIDTH)
        return tokens + self.out(heard), weights


class MeanProbability(nn.Module):
    """The mean of several classifiers' probabilities, each on its own part of the features.

    Float [B, sum of widths] → logits [B, classes] whose softmax (or, for multilabel, sigmoid) is that mean.
    """

    def __init__(self, members: Sequence[nn.Module], widths: Sequence[int], *, exclusive: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.widths = list(widths)
        self.exclusive = exclusive

    def forward(self, features: Tensor) -> Tensor:
        """log(mean p), or log(mean p) - log(mean (1 - p)): sums of logarithms only, finite wherever the logits are."""
        parts = torch.split(features, self.widths, dim=1)
        logits = torch.stack([member(part) for member, part in zip(self.members, parts, strict=True)])
        if self.exclusive:
            return logits.log_softmax(-1).logsumexp(0)
        # softplus, since `logsigmoid` is exported as log(sigmoid(x)), which is -inf below -104
        return (-functional.softplus(-logits)).logsumexp(0) - (-functional.softplus(logits)).logsumexp(0)
