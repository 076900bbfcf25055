import numpy as np
import pytest
import torch

from medgraft.training.stream import VALIDATION_BATCH, VOLUMES, ChunkSampler, Images, validation_loader


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 4, 4), VALIDATION_BATCH), ((1, 3, 4, 4), VOLUMES), ((5,), VALIDATION_BATCH)]
)
def test_validation_shows_every_image_once_in_order(shape: tuple[int, ...], size: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (400, *shape), np.uint8)
    rows = rng.permutation(400)[: 2 * size + 1]
    batches = list(validation_loader(Images(pixels, rows, np.arange(len(rows)))))
    assert [len(labels) for _, labels in batches] == [size, size, 1]
    assert torch.equal(torch.cat([shown for shown, _ in batches]), torch.from_numpy(pixels[rows]))
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.arange(len(rows)))


def test_a_chunk_that_starts_late_goes_on_with_the_same_keys() -> None:
    whole = list(ChunkSampler(10, 4, 7, 0, 9))
    assert list(ChunkSampler(10, 4, 7, 5, 9)) == whole[5:]
    shown = [index for _, batch in whole for index in batch]
    epochs = [sorted(shown[start : start + 10]) for start in range(0, 30, 10)]
    assert epochs == [list(range(10))] * 3
