"""Small studies that can be learned: pictures that show their labels, and runs of them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tests.training.datasets import write_dataset

from medgraft.data.labels import Label
from medgraft.networks.assembly import BackboneSpec, assemble
from medgraft.networks.backbones import Volumes
from medgraft.networks.initialization import Initialization, Origin
from medgraft.networks.network import EIGHT_BITS, make_preprocess
from medgraft.params import Augmentation, Study, Task
from medgraft.store import Store
from medgraft.training.data import training_data
from medgraft.training.fitting import Compute
from medgraft.training.window import window
from medgraft.transfer import Run

CLASSES: dict[Task, tuple[str, ...]] = {
    "binary": ("dark", "bright"),
    "ordinal": ("none", "mild", "severe"),
    "multilabel": ("bright", "sided"),
}
SIDE = 32
TRAIN, VALIDATION = 128, 64


def labels_of(task: Task, count: int, seed: int) -> list[Label | None]:
    rng = np.random.default_rng(seed)
    if task != "multilabel":
        return [int(label) for label in rng.integers(0, len(CLASSES[task]), count)]
    bright, sided = rng.integers(0, 2, count), rng.integers(0, 2, count)
    return [(int(b) if i % 5 else None, int(s)) for i, (b, s) in enumerate(zip(bright, sided, strict=True))]


def picture(label: Label | None, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The brighter, the higher the class; a darker left half is the second finding."""
    level, sided = (label, 0) if isinstance(label, int) else (2 * (label[0] or 0), label[1]) if label else (0, 0)
    pixels = rng.integers(0, 60, (SIDE, SIDE, 1)) + 70 * int(level)
    if sided:
        pixels[:, : SIDE // 2] //= 4
    return pixels.astype(np.uint8)


def volume(label: Label | None, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A brighter block for class 1, 12³."""
    voxels = rng.integers(0, 60, (12, 12, 12))
    voxels[3:9, 3:9, 3:9] += 90 * int(isinstance(label, int) and label)
    return voxels.astype(np.uint8)


@cache
def initialization(
    name: str,
    architecture: str = "test_efficientnet",
    seed: int = 1,
    size: int = SIDE,
    volumes: Volumes | None = None,
) -> Initialization:
    """Random weights, drawn from `seed`, whose BatchNorm statistics are those of such images, as of trained ones."""
    origin = Origin("random", architecture, size, (0.5,) * 3, (0.25,) * 3, "none", "drawn", volumes)
    spec = BackboneSpec(architecture, size, origin.mean, origin.std, volumes)
    backbone = assemble(spec, seed).train()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for _ in range(24):
            side, made = (12, volume) if volumes else (SIDE, picture)
            images = np.stack([made(level % 3, rng) for level in range(8)]).reshape(
                8, *[side] * (3 if volumes else 2), 1
            )
            backbone(make_preprocess(spec, EIGHT_BITS)(torch.from_numpy(images)))
    weights = {key: value.clone() for key, value in backbone.state_dict().items()}
    return Initialization(name, origin, weights, f"{seed:032d}", {"sha256": f"{architecture}-{size}-{volumes}-{seed}"})


def study_run(
    folder: Path,
    task: Task,
    sources: Sequence[Initialization],
    said: list[str],
    *,
    epochs: int = 10,
    three: bool = False,
) -> Run:
    """The run of all labels and seed 0 of a study in `folder`; what it says goes to `said`."""
    dataset = folder / "dataset"
    if not dataset.exists():
        counts = {"train": TRAIN, "validation": VALIDATION, "test": 4}
        labels = {split: labels_of(task, count, seed) for seed, (split, count) in enumerate(counts.items())}
        made, dimensions = (volume, 3) if three else (picture, 2)
        write_dataset(dataset, task, CLASSES[task], labels, picture=made, dimensions=dimensions)
    data = training_data(dataset)
    still = Augmentation(rotation=0, scale=0, translate=0, brightness=0, contrast=0)
    study = Study(device="cpu", batch_size=32, max_images=TRAIN * epochs, chunk_steps=20, augmentation=still)
    return Run(
        {source.name: source for source in sources},
        data,
        data.fraction(1.0, 0),
        window(dataset),
        study,
        0,
        "test",
        Store(str(folder / "store")),
        "key",
        Compute("cpu", cache=folder / "pixels", say=said.append),
    )
