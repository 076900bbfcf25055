"""Training batches as a pure function of (seed, step): what makes resuming exact without saving any RNG state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from medgraft.seeds import derive

Key = tuple[int, list[int]]  # step, indices of its images
VALIDATION_BATCH, VOLUMES = 128, 8  # images or features, and volumes, that are looked at together
Batch = tuple[Tensor, Tensor]  # images or features [B, …], int64 [B] or float32 [B, classes]


@dataclass(frozen=True)
class Images:
    """What one run trains on: images (see `Pixels`), or features [n, d], of a whole store, the rows used, their labels.

    Labels are int64 [n], the index of the class; for multilabel float32 [n, classes]: 1, 0 or NaN (unknown).
    """

    pixels: NDArray[Any]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float32]


class Batches(Dataset[Batch]):
    """The batch of a key, read from the pixel store at once."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __getitem__(self, key: Key) -> Batch:
        _, indices = key
        pixels = self.images.pixels[self.images.rows[indices]]
        return torch.from_numpy(pixels), torch.from_numpy(self.images.labels[indices])


class ChunkSampler(Sampler[Key]):
    """The keys of steps `start` … `stop` - 1.

    Epochs are permutations joined end to end, so every batch is full and every image comes equally often.
    """

    def __init__(self, count: int, batch_size: int, seed: int, start: int, stop: int) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.start = start
        self.stop = stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Key]:
        for step in range(self.start, self.stop):
            places = range(step * self.batch_size, (step + 1) * self.batch_size)
            yield step, [self._index(place) for place in places]

    def _index(self, place: int) -> int:
        epoch, offset = divmod(place, self.count)
        return int(self._permutation(epoch)[offset])

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if getattr(self, "_epoch", None) != epoch:
            self._epoch = epoch
            self._order = np.random.default_rng(derive("order", self.seed, epoch)).permutation(self.count)
        return self._order


def training_loader(images: Images, sampler: ChunkSampler, workers: int) -> DataLoader[Batch]:
    """A loader of one chunk; the same batches whatever the number of workers."""
    pin = torch.cuda.is_available()
    return DataLoader(Batches(images), batch_size=None, sampler=sampler, num_workers=workers, pin_memory=pin)


def validation_loader(images: Images) -> DataLoader[Batch]:
    """Every image once, in order; read a batch at a time, for all of them may not fit in memory."""
    size = VOLUMES if images.pixels.ndim == 5 else VALIDATION_BATCH
    every = range(len(images.rows))
    keys = [(0, list(every[start : start + size])) for start in every[::size]]
    return DataLoader(Batches(images), batch_size=None, sampler=keys, pin_memory=torch.cuda.is_available())
