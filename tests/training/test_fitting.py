"""Training: exact resuming, frozen parts, the prior correction, and batches as a function of the step."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from medgraft.networks.backbones import create_backbone
from medgraft.networks.network import Network, NetworkSpec, new_network
from medgraft.params import Study
from medgraft.store import Store
from medgraft.training.checkpoints import Checkpoints
from medgraft.training.fitting import Compute, Fitted, fit
from medgraft.training.recipe import recipe
from medgraft.training.stream import ChunkSampler, Images, class_weights

HALF = (0.5, 0.5, 0.5)


class StopHereError(Exception):
    """Stands for a kill between two chunks."""


def images(count: int, start: int = 0) -> Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (160, 1, 32, 32)).astype(np.uint8)
    labels = (rng.random(160) < 0.25).astype(np.int64)
    pixels[labels == 1, :, :16] //= 2
    rows = np.arange(start, start + count)
    return Images(pixels, rows, labels[rows])


def network(architecture: str, head: Literal["linear", "normalised_linear"]) -> Network:
    spec = NetworkSpec(architecture, 32, HALF, HALF, ("no", "yes"), head)
    return new_network(spec, dict(create_backbone(architecture, 32, 1).state_dict()), seed=2)


def train(
    store: Path,
    architecture: str = "mobilenetv3_small_100",
    head: Literal["linear", "normalised_linear"] = "linear",
    *,
    frozen: bool = False,
    stop: int | None = None,
    workers: int = 0,
    imbalance: Literal["weighted", "none"] = "weighted",
) -> Fitted:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == stop:
            raise StopHereError

    start = network(architecture, head)
    study = Study(chunk_steps=2, max_images=16 * 7, batch_size=16, imbalance=imbalance, device="cpu")
    return fit(
        start,
        recipe(study, 100, 99, 1e-3, 0.01, seed=7),
        images(100),
        images(60, 100),
        frozen=(start.backbone,) if frozen else (),
        title="test",
        store=Store(str(store)),
        key="key",
        compute=Compute("cpu", workers, say=say),
    )


def bits(fitted: Fitted) -> dict[str, Tensor]:
    return dict(fitted.network.state_dict())


def same(a: Fitted, b: Fitted) -> bool:
    return all(torch.equal(bits(a)[k], bits(b)[k]) for k in bits(a)) and a.history == b.history


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path: Path, workers: int) -> None:
    whole = train(tmp_path / "whole")
    assert [h["step"] for h in whole.history] == [2, 4, 6, 7]
    for stop in (2, 1):
        with pytest.raises(StopHereError):
            train(tmp_path / "parts", stop=stop)
    assert same(train(tmp_path / "parts", workers=workers), whole)
    assert same(train(tmp_path / "parts"), whole)  # restored


def test_a_run_killed_after_its_last_step_is_finished_not_trained_on(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "results").write_text("in the way")  # the finished run cannot be put away: the kill
    with pytest.raises(OSError, match="results"):
        train(tmp_path / "parts")
    (tmp_path / "parts" / "results").unlink()
    assert same(train(tmp_path / "parts"), whole)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(StopHereError):
        train(tmp_path / "parts", stop=3)
    checkpoints = sorted((tmp_path / "parts" / "checkpoints").glob("key-*/*.ckpt"))
    assert len(checkpoints) == 2
    checkpoints[-1].write_bytes(b"damaged")
    latest = Checkpoints(Store(str(tmp_path / "parts")), checkpoints[0].parent.name).latest(tmp_path / "copy")
    assert latest is not None
    assert latest.name == checkpoints[0].name
    assert same(train(tmp_path / "parts"), whole)


@pytest.mark.parametrize("architecture", ["resnet18", "mobilenetv3_small_100"])
def test_a_frozen_backbone_keeps_every_bit_batchnorm_statistics_included(tmp_path: Path, architecture: str) -> None:
    before = network(architecture, "normalised_linear").backbone.state_dict()
    fitted = train(tmp_path, architecture, "normalised_linear", frozen=True)
    after = fitted.network.backbone.state_dict()
    assert any("running_mean" in key for key in before)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not torch.equal(
        network(architecture, "normalised_linear").classifier.weight, fitted.network.classifier.weight
    )


def test_full_training_moves_the_backbone(tmp_path: Path) -> None:
    before = network("mobilenetv3_small_100", "linear").backbone.state_dict()
    after = train(tmp_path).network.backbone.state_dict()
    assert not torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    assert not torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])


def test_class_weights_average_to_one_over_the_images() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    weights = class_weights(labels, 2)
    assert torch.allclose(weights[torch.from_numpy(labels)].mean(), torch.tensor(1.0))
    assert torch.allclose(weights[1] / weights[0], torch.tensor(3.0))


def test_every_image_comes_equally_often_whatever_the_chunks() -> None:
    keys = list(ChunkSampler(10, 4, seed=1, start=0, stop=5))
    assert sorted(i for _, indices in keys for i in indices) == sorted(list(range(10)) * 2)
    assert list(ChunkSampler(10, 4, seed=1, start=3, stop=5)) == keys[3:]
    assert list(ChunkSampler(10, 4, seed=2, start=0, stop=5)) != keys


def test_the_ceiling_bounds_every_run() -> None:
    study = Study(max_images=1000, batch_size=32)
    for count in (10, 100, 5000):
        plan = recipe(study, count, epochs=50, learning_rate=1e-3, weight_decay=0, seed=0)
        assert plan.steps * plan.batch_size <= 1000
        assert plan.rate(0) > 0
        assert plan.rate(plan.steps - 1) < 1


@pytest.mark.parametrize("imbalance", ["weighted", "none"])
def test_probabilities_keep_the_training_prevalence_of_a_rare_class(
    tmp_path: Path, imbalance: Literal["weighted", "none"]
) -> None:
    # Labels that pixels tell nothing of, 6 % positive: the mean probability must stay there. A loss averaged by the
    # weights of each batch, or clipped gradients, halve it.
    rng = np.random.default_rng(0)
    labels = np.zeros(320, dtype=np.int64)
    labels[:19] = 1
    pixels = rng.integers(0, 255, (320, 1, 32, 32)).astype(np.uint8)
    rows = np.arange(320)
    data = Images(pixels, rows, labels)
    start = network("mobilenetv3_small_100", "normalised_linear")
    study = Study(batch_size=16, max_images=4800, chunk_steps=300, imbalance=imbalance, device="cpu")
    fitted = fit(
        start,
        recipe(study, 320, 15, 1e-3, 0.5, seed=1),
        data,
        data,
        frozen=(start.backbone,),
        title="prevalence",
        store=Store(str(tmp_path)),
        key="key",
        compute=Compute("cpu", say=lambda _: None),
    )
    images = torch.from_numpy(pixels).permute(0, 2, 3, 1)
    mean = fitted.network.predict(images).softmax(1)[:, 1].mean()
    assert mean == pytest.approx(19 / 320, rel=0.35)
