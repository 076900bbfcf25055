"""Training: exact resuming, frozen parts, the prior correction, and batches as a function of the step."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.nets import HALF, net, net_spec
from torch import Tensor

from medgraft.networks.network import Network
from medgraft.params import Study, Task
from medgraft.store import Store
from medgraft.training.checkpoints import Checkpoints
from medgraft.training.fitting import Compute, Fitted, fit
from medgraft.training.recipe import recipe
from medgraft.training.stream import ChunkSampler, Images


class StopHereError(Exception):
    """Stands for a kill between two chunks."""


CLASSES = {"binary": 2, "multiclass": 3, "ordinal": 4, "multilabel": 3}


def images(count: int, start: int = 0, task: Task = "binary") -> Images:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (160, 1, 32, 32)).astype(np.uint8)
    dark = rng.random(160) < 0.25
    pixels[dark, :, :16] //= 2
    rows = np.arange(start, start + count)
    return Images(pixels, rows, labels_of(task, dark)[rows])


def labels_of(task: Task, dark: NDArray[np.bool_]) -> NDArray[np.int64] | NDArray[np.float32]:
    """Classes by darkness and by chance, with a tenth of the multilabel entries unknown."""
    rng, classes = np.random.default_rng(1), CLASSES[task]
    if task == "multilabel":
        table = (rng.random((len(dark), classes)) < [0.5, 0.2, 0.1]).astype(np.float32)
        table[:, 0] = dark
        table[rng.random(table.shape) < 0.1] = np.nan
        return table
    return np.where(dark, 1, 0 if task == "binary" else rng.integers(0, classes, len(dark))).astype(np.int64)


def network(architecture: str, head: Literal["linear", "standardised_linear"], task: Task = "binary") -> Network:
    return net(net_spec(architecture, 32, "abcd"[: CLASSES[task]], task, head, HALF), seed=1, head_seed=2)


def train(
    store: Path,
    architecture: str = "test_efficientnet",
    head: Literal["linear", "standardised_linear"] = "linear",
    *,
    frozen: bool = False,
    stop: int | None = None,
    workers: int = 0,
    imbalance: Literal["weighted", "none"] = "weighted",
    task: Task = "binary",
    fitted_head: bool = False,
) -> Fitted:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == stop:
            raise StopHereError

    start = network(architecture, head, task)
    study = Study(chunk_steps=2, max_images=16 * 7, batch_size=16, imbalance=imbalance, device="cpu")
    return fit(
        start,
        recipe(study, 100, 99, 1e-3, 0.01, seed=7),
        images(100, 0, task),
        images(60, 100, task),
        frozen=(start.backbones,) if frozen else (),
        fitted_head=fitted_head,
        title="test",
        store=Store(str(store)),
        key="key",
        compute=Compute("cpu", workers, say=say),
    )


def bits(fitted: Fitted) -> dict[str, Tensor]:
    return dict(fitted.network.state_dict())


def same(a: Fitted, b: Fitted) -> bool:
    return all(torch.equal(bits(a)[k], bits(b)[k]) for k in bits(a)) and a.history == b.history


@pytest.mark.parametrize(
    ("workers", "task", "fitted_head"),
    [(0, "binary", True), (2, "binary", False), (0, "ordinal", False), (2, "multilabel", False)],
)
def test_a_run_stopped_twice_ends_with_the_same_bits(
    tmp_path: Path, workers: int, task: Task, fitted_head: bool
) -> None:
    whole = train(tmp_path / "whole", task=task, fitted_head=fitted_head)
    assert [h["step"] for h in whole.history] == [2, 4, 6, 7]
    for stop in (2, 1):
        with pytest.raises(StopHereError):
            train(tmp_path / "parts", stop=stop, task=task, fitted_head=fitted_head)
    assert same(train(tmp_path / "parts", workers=workers, task=task, fitted_head=fitted_head), whole)
    assert same(train(tmp_path / "parts", task=task, fitted_head=fitted_head), whole)  # restored


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
    before = network(architecture, "standardised_linear").backbones[0].state_dict()
    fitted = train(tmp_path, architecture, "standardised_linear", frozen=True)
    after = fitted.network.backbones[0].state_dict()
    assert any("running_mean" in key for key in before)
    assert all(torch.equal(before[key], after[key]) for key in before)
    weights = (n.head.get_parameter("1.weight") for n in (network(architecture, "standardised_linear"), fitted.network))
    assert not torch.equal(*weights)


def test_full_training_moves_the_backbone(tmp_path: Path) -> None:
    before = network("test_efficientnet", "linear").backbones[0].state_dict()
    after = train(tmp_path).network.backbones[0].state_dict()
    assert {name: w.shape for name, w in before.items()} == {name: w.shape for name, w in after.items()}
    assert not torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    assert not torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])


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


def fit_alike(start: Network, data: Images, study: Study, folder: Path, *, learning_rate: float) -> Fitted:
    """Train the head on `data`, and choose its best state on the same."""
    return fit(
        start,
        recipe(study, len(data.rows), 15, learning_rate, 0.5, seed=1),
        data,
        data,
        frozen=(start.backbones,),
        title="prevalence",
        store=Store(str(folder)),
        key="key",
        compute=Compute("cpu", say=lambda _: None),
    )


def mean_probabilities(fitted: Fitted, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    logits = fitted.network.predict(torch.from_numpy(pixels).permute(0, 2, 3, 1))
    p = logits.sigmoid() if fitted.network.spec.task == "multilabel" else logits.softmax(1)
    return p.mean(0).numpy()


def rare(task: Task) -> tuple[NDArray[np.int64] | NDArray[np.float32], list[float]]:
    """Labels of 320 images, and the frequencies: one class is rare; for multilabel half of another is unknown."""
    if task == "multilabel":
        table = np.zeros((320, 3), dtype=np.float32)
        table[:19, 0] = table[:80, 1] = table[100:120, 2] = 1
        table[160:, 1] = np.nan
        return table, [19 / 320, 80 / 160, 20 / 320]
    counts = [301, 19] if task == "binary" else [181, 19, 40, 80][: CLASSES[task]]
    counts[-1] += 320 - sum(counts)
    return np.repeat(np.arange(len(counts)), counts), [n / 320 for n in counts]


@pytest.mark.parametrize(
    ("task", "imbalance"),
    [("binary", "weighted"), ("binary", "none"), ("ordinal", "weighted"), ("multilabel", "weighted")],
)
def test_probabilities_keep_the_training_prevalence_of_a_rare_class(
    tmp_path: Path, task: Task, imbalance: Literal["weighted", "none"]
) -> None:
    # Labels that pixels tell nothing of, 6 % positive: the mean probability must stay there. A loss averaged by the
    # weights of each batch, or clipped gradients, halve it.
    labels, expected = rare(task)
    pixels = np.random.default_rng(0).integers(0, 255, (320, 1, 32, 32)).astype(np.uint8)
    study = Study(batch_size=16, max_images=4800, chunk_steps=300, imbalance=imbalance, device="cpu")
    start = network("test_efficientnet", "standardised_linear", task)
    fitted = fit_alike(start, Images(pixels, np.arange(320), labels), study, tmp_path, learning_rate=1e-3)
    assert mean_probabilities(fitted, pixels) == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("task", ["binary", "multiclass", "ordinal", "multilabel"])
@pytest.mark.parametrize("imbalance", ["weighted", "none"])
def test_the_packaged_network_says_the_class_frequencies_of_images_that_are_all_alike(
    tmp_path: Path, task: Task, imbalance: Literal["weighted", "none"]
) -> None:
    labels, expected = rare(task)
    pixels = np.full((320, 1, 32, 32), 90, dtype=np.uint8)
    study = Study(batch_size=320, max_images=640, chunk_steps=1, imbalance=imbalance, device="cpu")
    start = network("test_efficientnet", "standardised_linear", task)
    data = Images(pixels, np.arange(320), labels)
    fitted = fit_alike(start, data, study, tmp_path, learning_rate=1e-5)
    assert mean_probabilities(fitted, pixels[:2]) == pytest.approx(expected, rel=1e-3)
    # The loss that chooses the best state is that of these probabilities, over what is known.
    p = np.array(expected)
    each = -(p * np.log(p) + (1 - p) * np.log(1 - p)) if task == "multilabel" else -p * np.log(p)
    known = np.array([320, 160, 320]) if task == "multilabel" else np.ones(len(p))
    wanted = (each * known).sum() / (known.sum() if task == "multilabel" else 1)
    assert fitted.validation_loss == pytest.approx(wanted, rel=1e-3)
