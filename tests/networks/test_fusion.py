"""Heads over several models: attention against its definition, and means of probabilities, far out too."""

import numpy as np
import pytest
import torch
from torch import nn

from medgraft.networks.fusion import HEADS, WIDTH, MeanProbability, ModelAttention
from medgraft.networks.heads import make_head


def test_attention_is_torchs_own_on_the_projected_models() -> None:
    torch.manual_seed(0)
    widths = [7, 5, 11]
    ours = ModelAttention(widths)
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.queries_keys_values.weight)
        theirs.in_proj_bias.copy_(ours.queries_keys_values.bias)
        theirs.out_proj.load_state_dict(ours.out.state_dict())
        features = torch.randn(4, sum(widths))
        parts = torch.split(features, widths, dim=1)
        tokens = torch.stack([p(part) for p, part in zip(ours.projections, parts, strict=True)], 1)
        normed = ours.before(tokens)
        heard, weights = theirs(normed, normed, normed, average_attn_weights=False)
        found, own = ours.attend(features)
    torch.testing.assert_close(found, tokens + heard)
    torch.testing.assert_close(own, weights)
    torch.testing.assert_close(own.sum(-1), torch.ones(4, HEADS, 3))


def test_golden_size_of_the_dvme_head() -> None:
    # SimCLR and SwAV give 2048, DINO 1536 (arXiv 2108.10048): projections with LayerNorm, one attention layer with
    # its LayerNorm, 3 x 512 -> 512, five grades' classes.
    head = make_head("multiclass", "dvme", [2048, 2048, 1536], 5, 0)
    projections = (2048 + 2048 + 1536) * 512 + 3 * 512 + 3 * 2 * 512
    attention = 2 * 512 + 4 * (512 * 512 + 512)
    rest = 3 * 512 * 512 + 512 + 512 * 5 + 5
    assert sum(p.numel() for p in head.parameters()) == projections + attention + rest


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_mean_of_probabilities_even_where_float32_has_none_left(exclusive: bool) -> None:
    class Given(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features

    mean = MeanProbability([Given(), Given()], [3, 3], exclusive=exclusive)
    logits = torch.tensor([[0.3, -1.0, 2.0, 1.0, 0.0, -3.0], [200.0, -200.0, 0.0, -300.0, 300.0, 1.0]])
    found = mean(logits)
    assert found.isfinite().all()
    one, other = torch.split(logits.double(), 3, dim=1)
    if exclusive:
        expected = (one.softmax(1) + other.softmax(1)) / 2
        np.testing.assert_allclose(found.double().softmax(1), expected, atol=1e-6)
    else:
        expected = (one.sigmoid() + other.sigmoid()) / 2
        np.testing.assert_allclose(found.double().sigmoid(), expected, atol=1e-6)
