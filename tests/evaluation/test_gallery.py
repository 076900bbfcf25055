"""Occlusion finds what a network looks at, equals hiding by hand, and the pictures repeat byte for byte."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.nets import net, net_spec
from torch import Tensor, nn

from medgraft.artifacts import write_card
from medgraft.data.dataset import Item, write_shards
from medgraft.data.images import Pixels
from medgraft.evaluation.failures import Case
from medgraft.evaluation.gallery import overlay, thumbnail, write_gallery
from medgraft.evaluation.saliency import as_seen, occlusion_map
from medgraft.networks.backbones import create_backbone
from medgraft.networks.network import Network
from medgraft.params import Task

SIZE = 32


class Corner(nn.Module):
    """One feature: the mean of the upper left quarter."""

    head_hidden_size = 1

    def forward(self, inputs: Tensor) -> Tensor:
        half = inputs.shape[-1] // 2
        return inputs[:, :, :half, :half].mean(dim=(1, 2, 3))[:, None]


def network(task: Task, backbone: nn.Module, classes: int = 2, size: int = SIZE) -> Network:
    return net(net_spec("made_up", size, [f"c{c}" for c in range(classes)], task), backbone)


def looking_at_the_corner(task: Task) -> Network:
    """The brighter the upper left quarter, the more probable class 1."""
    built = network(task, Corner())
    with torch.no_grad():
        built.head.get_parameter("0.weight").copy_(torch.tensor([[0.0], [2.0]]))
    return built


def image(height: int = 40, width: int = 60, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 60, size=(height, width, 3))
    noise[: height // 2, : width // 2] += 150
    return noise.astype(np.uint8)


def seen(built: Network) -> Tensor:
    return as_seen(built, torch.from_numpy(image())[None])


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_the_map_shows_where_a_network_looks(task: Task) -> None:
    built = looking_at_the_corner(task)
    falls = occlusion_map(built, 1.0, seen(built), 1, present=True)
    corner = np.zeros((SIZE, SIZE), dtype=bool)
    corner[: SIZE // 2, : SIZE // 2] = True
    assert (falls[corner] > 0).all()
    # Half a window reaches over the border at most.
    assert np.abs(falls[SIZE // 2 + 2 :, :]).max() < 1e-9
    assert falls[corner].mean() > 10 * np.abs(falls[~corner]).mean()
    against = occlusion_map(built, 1.0, seen(built), 1, present=False)
    np.testing.assert_allclose(against, -falls, atol=1e-12)
    # Temperature flattens probabilities, and with them what a place carries.
    assert occlusion_map(built, 10.0, seen(built), 1, present=True).max() < falls.max()


@pytest.mark.parametrize("architecture", ["mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_it_equals_hiding_by_hand(architecture: str) -> None:
    built = network("multiclass", create_backbone(architecture, SIZE, seed=1), classes=3)
    with torch.no_grad():
        built.head.get_parameter("0.weight").mul_(50)
    window, stride = SIZE // 8, SIZE // 16
    falls = occlusion_map(built, 1.5, seen(built), 2, present=True)
    with torch.no_grad():
        (inputs,) = built.preprocess(torch.from_numpy(image())[None])
        gray = (float(seen(built).mean()) / 255 - 0.5) / 0.25

        starts = range(0, SIZE - window + 1, stride)
        places = [(slice(top, top + window), slice(left, left + window)) for top in starts for left in starts]
        hidden = inputs.repeat(len(places), 1, 1, 1)
        for picture, (rows, columns) in zip(hidden, places, strict=True):
            picture[:, rows, columns] = gray
        p = (built(torch.cat([inputs, hidden])).double() / 1.5).softmax(dim=1)[:, 2].numpy()
    total, count = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for place, fall in zip(places, p[0] - p[1:], strict=True):
        total[place] += fall
        count[place] += 1
    assert np.abs(falls).max() > 1e-4
    np.testing.assert_allclose(falls, total / count, atol=1e-5)


def test_pictures_keep_their_shape_and_colour_only_what_counts() -> None:
    assert thumbnail(image(40, 60)).shape == (64, 96, 3)
    assert thumbnail(image(300, 100)).shape == (96, 32, 3)
    shown = thumbnail(image())
    falls = np.zeros((SIZE, SIZE))
    plain = overlay(shown, falls)
    assert (plain == plain[..., :1]).all()
    falls[:8, :8] = 0.2
    falls[20:, 20:] = -0.4
    coloured = overlay(shown, falls)
    changed = (coloured != plain).any(axis=2)
    assert changed[:12, :20].all()
    assert not changed[32:, 48:].any()
    np.testing.assert_array_equal(coloured, overlay(shown, falls * 3))


def test_the_gallery_repeats_byte_for_byte(tmp_path: Path) -> None:
    raw = {}
    for number in range(4):
        buffer = io.BytesIO()
        Image.fromarray(image(seed=number)).save(buffer, "PNG")
        raw[f"{number:032x}"] = buffer.getvalue()
    items = [Item(i, "g", None, "test", 1, "0" * 16, {}, "row") for i in raw]
    write_shards(tmp_path / "dataset", items, lambda item: (raw[item.image_id], "png"), "binary", ["c0", "c1"], [])
    write_card(tmp_path / "dataset", "dataset", "0" * 32, {})
    ids = list(raw)
    cases = [
        Case(ids[2], "g", "c1", "false negative", "c1", "c0", 0.9),
        Case(ids[0], "h", "c1", "true positive", "c1", "c1", 0.8),
    ]
    for name in ("a", "b"):
        write_gallery(tmp_path / name, cases, tmp_path / "dataset", ["test"], looking_at_the_corner("binary"), 1.0)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(f"{i}{kind}.png" for i in (ids[0], ids[2]) for kind in ("", "_saliency"))
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        with Image.open(tmp_path / "a" / name) as picture:
            assert max(picture.size) == 96
