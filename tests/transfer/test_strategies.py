"""Every strategy on grades and findings: it learns, is restored from the store, its logits mean what the task says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from medgraft.networks.backbones import create_backbone
from medgraft.networks.heads import CumulativeLink, Linear
from medgraft.networks.initialization import Initialization, Origin
from medgraft.params import Augmentation, Study, Task
from medgraft.store import Store
from medgraft.training.fitting import Compute
from medgraft.training.stream import Images
from medgraft.transfer import Run, strategies

CLASSES: dict[Task, tuple[str, ...]] = {"ordinal": ("none", "mild", "severe"), "multilabel": ("bright", "sided")}


def pictures(task: Task) -> Images:
    """Brightness in three steps, and a dark left half or not: what the labels tell; 192 images."""
    rng = np.random.default_rng(0)
    level, sided = rng.integers(0, 3, 192), rng.integers(0, 2, 192)
    pixels = rng.integers(0, 60, (192, 1, 32, 32)) + 70 * level[:, None, None, None]
    pixels[sided == 1, :, :, :16] //= 4
    labels: NDArray[np.int64] | NDArray[np.float32] = level.astype(np.int64)
    if task == "multilabel":
        labels = np.stack([level == 2, sided == 1], axis=1).astype(np.float32)
        labels[::5, 0] = np.nan
    return Images(pixels.astype(np.uint8), np.arange(192), labels)


def run(task: Task, store: Path, said: list[str]) -> Run:
    data = pictures(task)
    train, validation = (
        Images(data.pixels, data.rows[part], data.labels[part]) for part in (slice(0, 128), slice(128, 192))
    )
    origin = Origin("random", "mobilenetv3_small_100", 32, (0.5,) * 3, (0.25,) * 3, "none", "drawn")
    weights = dict(create_backbone(origin.architecture, 32, 1).state_dict())
    still = Augmentation(rotation=0, scale=0, translate=0, brightness=0, contrast=0)
    study = Study(device="cpu", batch_size=32, max_images=1280, chunk_steps=20, augmentation=still)
    return Run(
        {"scratch": Initialization("scratch", origin, weights, "0" * 32, {})},
        CLASSES[task],
        task,
        study,
        0,
        lambda size: (train, validation),
        "test",
        Store(str(store)),
        "key",
        Compute("cpu", say=said.append),
    )


@pytest.mark.parametrize("task", ["ordinal", "multilabel"])
@pytest.mark.parametrize("name", ["linear", "full"])
def test_it_learns_what_can_be_seen(name: str, task: Task, tmp_path: Path) -> None:
    strategy = strategies.get(name)
    settings = strategy.settings(strategy=name, initialization="scratch", learning_rate=5e-3)  # type: ignore[call-arg]  # its own keys
    said: list[str] = []
    fitted = strategy.fit(run(task, tmp_path, said), settings)
    assert isinstance(fitted.network.head[-1], CumulativeLink if task == "ordinal" else Linear)
    assert fitted.network.spec.task == task
    data = pictures(task)
    images = torch.from_numpy(data.pixels[128:]).permute(0, 2, 3, 1)
    logits = fitted.network.predict(images)
    truth = data.labels[128:]
    if task == "multilabel":
        scores, table = logits.sigmoid(), truth
    else:
        scores, table = logits.softmax(1), np.eye(len(CLASSES[task]), dtype=np.float32)[truth.astype(np.int64)]
    for index in range(len(CLASSES[task])):
        known = ~np.isnan(table[:, index])
        area = roc_auc_score(table[known, index], scores[known, index].numpy())
        assert area > (0.6 if task == "ordinal" and index == 1 else 0.8), CLASSES[task][index]
    again = strategy.fit(run(task, tmp_path, said), settings)
    assert said[-1] == "test · restored"
    assert torch.equal(again.network.predict(images), logits)
