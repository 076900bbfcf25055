"""Volumes as stored → network inputs: values, axes, a resize checked against a sum written out, one ONNX graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim

from medgraft.errors import UserError
from medgraft.networks.preprocess_volume import PreprocessVolume

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
CT = (-100.0, 900.0)


def preprocess(size: int, window: tuple[float, float] = (0, 255)) -> PreprocessVolume:
    return PreprocessVolume(size, MEAN, STD, window)


def drawn(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 255


def triangles(taken: int, given: int) -> NDArray[np.float64]:
    """[given, taken]: weights of linear interpolation between centres, as wide as the step where it thins out."""
    step = taken / given
    centres = (np.arange(given)[:, None] + 0.5) * step - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(taken) - centres) / max(step, 1))
    return weights / weights.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]  # an array


@pytest.mark.parametrize("shape", [(30, 17, 9), (8, 8, 8), (5, 40, 64), (1, 2, 3)])
def test_every_axis_is_interpolated_by_triangles(shape: tuple[int, int, int]) -> None:
    volumes = drawn(2, *shape, 1)
    found = preprocess(8).resize(volumes)
    assert found.shape == (2, 1, 8, 8, 8)
    x, y, z = (triangles(side, 8) for side in shape)
    expected = np.einsum("bxyz,Xx,Yy,Zz->bZYX", volumes[..., 0].double().numpy(), x, y, z)
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=0, atol=1e-3)


def test_depth_height_and_width_are_z_y_and_x() -> None:
    volumes = drawn(1, 6, 6, 6, 1)
    assert torch.equal(preprocess(6).resize(volumes)[0, 0], volumes[0, :, :, :, 0].permute(2, 1, 0))


def test_the_window_comes_before_the_resize() -> None:
    """Metal and air do not pull their neighbours along."""
    volumes = torch.full((1, 8, 8, 8, 1), 400.0)
    volumes[0, ::2] = torch.tensor(30000.0)
    assert preprocess(4, CT).resize(volumes).max() <= 255
    assert torch.allclose(preprocess(4, CT).resize(volumes), torch.tensor((127.5 + 255) / 2), atol=20)
    stored = torch.tensor([-1000, -100, 150, 400, 900, 3000], dtype=torch.int16).view(1, 6, 1, 1, 1)
    shown = preprocess(6, CT).resize(stored.expand(1, 6, 6, 6, 1))[0, 0, 0, 0]
    torch.testing.assert_close(shown, torch.tensor([0.0, 0.0, 63.75, 127.5, 255.0, 255.0]))


def test_kinds_of_numbers_agree() -> None:
    stored = drawn(1, 9, 8, 7, 1).round()
    whole = preprocess(6).resize(stored)
    assert all(torch.equal(whole, preprocess(6).resize(stored.to(kind))) for kind in (torch.uint8, torch.int16))


def test_gray_becomes_rgb_as_the_initialization_expects() -> None:
    volumes = drawn(2, 6, 6, 6, 1)
    inputs = preprocess(6)(volumes)
    assert inputs.shape == (2, 3, 6, 6, 6)
    for channel in range(3):
        gray = (preprocess(6).resize(volumes)[:, 0] / 255 - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(inputs[:, channel], gray)


def test_a_window_without_values_is_refused() -> None:
    for window in ((100.0, 100.0), (900.0, -100.0)):
        with pytest.raises(UserError, match="holds no values"):
            preprocess(8, window)


def test_the_exported_graph_computes_the_same_at_any_size(tmp_path: Path) -> None:
    module = preprocess(16, CT).eval()
    names = {axis: Dim(name, min=1, max=65_535) for axis, name in enumerate(("batch", "x", "y", "z"))}
    program = torch.onnx.export(
        module, (torch.zeros(2, 20, 22, 26, 1),), dynamo=True, dynamic_shapes=(names,), opset_version=18, verbose=False
    )
    assert program is not None
    program.save(tmp_path / "volume.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "volume.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 1, 1, 1), (1, 40, 17, 90), (3, 20, 22, 26), (1, 16, 16, 16), (2, 70, 64, 5)):
        volumes = drawn(*shape, 1) * 6 - 300
        found = session.run(None, {session.get_inputs()[0].name: volumes.numpy()})[0]
        np.testing.assert_allclose(found, module(volumes).numpy(), rtol=0, atol=2e-5)
