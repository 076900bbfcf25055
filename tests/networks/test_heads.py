"""Heads: cumulative-link probabilities against their definition, priors put in and taken back, the export."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medgraft.networks.heads import CumulativeLink, Linear, make_head
from medgraft.params import Task

GRADES = [2, 3, 5]


def random_head(classes: int, seed: int, spread: float = 1.0) -> CumulativeLink:
    """A head of one feature, which is its score, with thresholds of any distance."""
    head, generator = CumulativeLink(1, classes), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.fill_(1.0)
        head.first.normal_(0, 2, generator=generator)
        head.gaps.normal_(0, spread, generator=generator)
    return head


def by_definition(head: CumulativeLink, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of P(y <= k) = sigmoid(threshold - score), float64 [n, classes]."""
    first, gaps = (t.detach().double().numpy() for t in (head.first, head.gaps))
    thresholds = np.concatenate([first, first + np.cumsum(np.log1p(np.exp(gaps)))])
    at_most = 1 / (1 + np.exp(scores[:, None] - thresholds))
    return np.diff(at_most, axis=1, prepend=0, append=1)


@pytest.mark.parametrize("classes", GRADES)
@pytest.mark.parametrize("seed", range(5))
def test_probabilities_are_those_of_the_definition(classes: int, seed: int) -> None:
    head = random_head(classes, seed)
    scores = torch.linspace(-15, 15, 301)
    found = head(scores[:, None]).detach().exp().numpy()
    np.testing.assert_allclose(found, by_definition(head, scores.double().numpy()), rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=2e-6)
    exact = head.double()(scores.double()[:, None])
    np.testing.assert_allclose(exact.detach().logsumexp(1).numpy(), 0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", GRADES)
@pytest.mark.parametrize("spread", [1.0, 50.0])
def test_values_and_gradients_are_finite_far_out(classes: int, spread: float) -> None:
    head = random_head(classes, 1, spread)
    scores = torch.tensor([-1e3, -90.0, 0.0, 90.0, 1e3]).requires_grad_()
    log_p = head(scores[:, None])
    assert log_p.isfinite().all()
    np.testing.assert_allclose(log_p.detach().logsumexp(1).numpy(), 0, rtol=0, atol=1e-3)  # 1e3 has steps of 6e-5
    log_p.sum().backward()
    for tensor in (scores, *head.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_ascend_and_a_higher_score_is_a_higher_grade(seed: int) -> None:
    head = random_head(5, seed, spread=3.0)
    assert (head.thresholds().diff() > 0).all()
    for _ in range(2):  # as trained, and after the prior has been taken back
        p = head.double()(torch.linspace(-8, 8, 50, dtype=torch.float64)[:, None]).softmax(1)
        over = 1 - p.cumsum(1)
        assert (over.diff(dim=1) <= 1e-12).all()  # P(y > k) falls with k
        assert (over.diff(dim=0)[:, :-1] >= -1e-12).all()  # and rises with the score
        with torch.no_grad():
            head.take_back(torch.randn(5, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("classes", GRADES)
def test_it_starts_at_any_frequencies_and_takes_back_any_shift(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits, shift = (torch.randn(2, classes, generator=generator) * 3).unbind()
    head, nothing = CumulativeLink(4, classes), torch.zeros(1, 4)
    with torch.no_grad():
        head.weight.normal_()
        head.start_at(logits)
        assert torch.allclose(head(nothing)[0], logits.log_softmax(0), rtol=0, atol=2e-6)
        head.take_back(shift)
        assert torch.allclose(head(nothing)[0].softmax(0), (logits - shift).softmax(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_exported_graph_gives_the_same_however_far_out(classes: int, tmp_path: Path) -> None:
    # torch exports `logsigmoid` as log(sigmoid(x)), which is -inf from -104 on.
    head = random_head(classes, 3).eval()
    path = tmp_path / "head.onnx"
    program = torch.onnx.export(
        head, (torch.zeros(1, 1),), dynamo=True, opset_version=18, input_names=["x"], verbose=False
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for score in (-1e3, -110.0, -20.5, -3.0, 0.0, 0.7, 19.5, 90.0, 1e3):
        x = torch.full((1, 1), score)
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], head(x).detach(), rtol=1e-6, atol=1e-6)


def test_a_linear_head_is_drawn_as_ever() -> None:
    head = make_head("multiclass", "standardised_linear", [6], 3, seed=4)
    torch.manual_seed(4)
    before = nn.Linear(6, 3)
    nn.init.trunc_normal_(before.weight, std=0.01)
    assert list(head.state_dict()) == ["0.mean", "0.scale", "1.weight", "1.bias"]
    assert torch.equal(head.get_parameter("1.weight"), before.weight)
    assert torch.equal(head.get_parameter("1.bias"), torch.zeros(3))


def test_every_head_starts_at_equal_probabilities() -> None:
    nothing = torch.zeros(1, 6)
    exclusive: tuple[Task, ...] = ("binary", "multiclass", "ordinal")
    for task in exclusive:
        assert torch.allclose(make_head(task, "linear", [6], 4, 0)(nothing).softmax(1), torch.tensor(0.25))
    assert torch.equal(make_head("multilabel", "linear", [6], 4, 0)(nothing).sigmoid(), torch.full((1, 4), 0.5))


def test_a_linear_head_takes_back_from_its_bias() -> None:
    head, shift = Linear(2, 3), torch.tensor([1.0, -2.0, 0.5])
    x: Tensor = torch.randn(4, 2)
    with torch.no_grad():
        head.start_at(torch.tensor([0.1, 0.2, 0.3]))
        before = head(x)
        head.take_back(shift)
        assert torch.allclose(head(x), before - shift, rtol=0, atol=1e-6)
