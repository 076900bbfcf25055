"""How one run trains: everything that decides its result, and nothing else."""

import math
from dataclasses import dataclass
from typing import Literal

from medgraft.params import Augmentation, Study


@dataclass(frozen=True)
class Recipe:
    """AdamW with linear warm-up over the first tenth of the steps and cosine decay to zero.

    `steps` optimiser steps of `batch_size` images; a checkpoint and a look at the validation loss every
    `chunk_steps`. The head learns at `learning_rate`, backbones at `backbone_rate` times that.
    """

    steps: int
    batch_size: int
    chunk_steps: int
    learning_rate: float
    weight_decay: float
    seed: int
    imbalance: Literal["weighted", "none"]
    augmentation: Augmentation
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    backbone_rate: float = 1.0

    @property
    def chunks(self) -> int:
        """How many chunks there are; the last may be shorter."""
        return math.ceil(self.steps / self.chunk_steps)

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a factor in [0, 1]."""
        warm = max(1, self.steps // 10)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))


def recipe(
    study: Study,
    images: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    backbone_rate: float = 1.0,
) -> Recipe:
    """The recipe for a run on `images` training images: `epochs` of them, but never over the cost ceiling."""
    batch = min(study.batch_size, images)
    processed = min(epochs * images, study.max_images)
    return Recipe(
        steps=max(1, processed // batch),
        batch_size=batch,
        chunk_steps=study.chunk_steps,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        imbalance=study.imbalance,
        augmentation=study.augmentation,
        precision=study.precision,
        backbone_rate=backbone_rate,
    )
