"""Training batches as a pure function of (seed, step): what makes resuming exact without saving any RNG state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from medgraft.data.augmentation import Transform, augment
from medgraft.seeds import derive

Key = tuple[int, int, int]  # step, place in the batch, index of the image


@dataclass(frozen=True)
class Images:
    """What one run trains on: uint8 [n, C, S, S] of the whole store, the rows used, and their labels int64."""

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]


class Views(Dataset[tuple[Tensor, Tensor]]):
    """(float32 [C, S, S] in [0, 255], label) for a key; each key has its own seed."""

    def __init__(self, images: Images, transform: Transform, seed: int) -> None:
        self.images = images
        self.transform = transform
        self.seed = seed

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        step, place, index = key
        image = torch.from_numpy(self.images.pixels[self.images.rows[index]].copy())
        view = augment(self.transform, image, derive("view", self.seed, step, place))
        return view, torch.tensor(self.images.labels[index])


class ChunkSampler(Sampler[list[Key]]):
    """The keys of the batches of steps `start` … `stop` - 1.

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

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.start, self.stop):
            places = range(step * self.batch_size, (step + 1) * self.batch_size)
            yield [(step, i, self._index(place)) for i, place in enumerate(places)]

    def _index(self, place: int) -> int:
        epoch, offset = divmod(place, self.count)
        return int(self._permutation(epoch)[offset])

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if getattr(self, "_epoch", None) != epoch:
            self._epoch = epoch
            self._order = np.random.default_rng(derive("order", self.seed, epoch)).permutation(self.count)
        return self._order


def training_loader(views: Views, sampler: ChunkSampler, workers: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """A loader of one chunk; the same batches whatever the number of workers."""
    return DataLoader(views, batch_sampler=sampler, num_workers=workers, pin_memory=torch.cuda.is_available())


def class_weights(labels: Sequence[int] | NDArray[np.int64], classes: int) -> Tensor:
    """Inverse class frequencies, scaled so that their mean over the images is one; float32 [classes]."""
    counts = np.bincount(np.asarray(labels), minlength=classes).astype(np.float64)
    return torch.tensor(counts.sum() / (classes * counts), dtype=torch.float32)
