"""The window of volumes: percentiles of train alone; 8-bit sets as they are."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.training.datasets import write_dataset

from medgraft.data.labels import Label
from medgraft.training.window import window

LABELS: dict[str, list[Label | None]] = {"train": [0, 1] * 4, "validation": [0, 1], "test": [0, 1]}


def written(folder: Path, picture: object, dimensions: int) -> Path:
    return write_dataset(folder, "binary", ["a", "b"], LABELS, picture=picture, dimensions=dimensions)  # type: ignore[arg-type]  # a function


def test_it_is_the_percentiles_of_train_voxels(tmp_path: Path) -> None:
    drawn: list[NDArray[np.int16]] = []

    def hounsfield(label: Label | None, rng: np.random.Generator) -> NDArray[np.int16]:
        volume = rng.normal(40, 300, (20, 18, 16)).astype(np.int16)
        if len(drawn) >= 8:
            volume += 5000  # validation and test are elsewhere
        drawn.append(volume)
        return volume

    found = window(written(tmp_path, hounsfield, 3))
    train = np.concatenate([volume.ravel() for volume in drawn[:8]])
    assert found == pytest.approx(tuple(np.percentile(train, [0.5, 99.5])), rel=0.05)


def test_eight_bits_and_images_are_taken_as_they_are(tmp_path: Path) -> None:
    def eight(label: Label | None, rng: np.random.Generator) -> NDArray[np.uint8]:
        return rng.integers(50, 60, (8, 8, 8)).astype(np.uint8)

    assert window(written(tmp_path / "volumes", eight, 3)) == (0, 255)
    assert window(written(tmp_path / "images", None, 2)) == (0, 255)


def test_a_set_of_one_value_has_a_window_all_the_same(tmp_path: Path) -> None:
    def flat(label: Label | None, rng: np.random.Generator) -> NDArray[np.int16]:
        return np.full((6, 6, 6), -900, np.int16)

    low, high = window(written(tmp_path, flat, 3))
    assert low == -900 < high


def test_small_values_keep_their_contrast(tmp_path: Path) -> None:
    def diffusion(label: Label | None, rng: np.random.Generator) -> NDArray[np.float32]:
        return rng.uniform(0, 0.003, (8, 8, 8)).astype(np.float32)

    low, high = window(written(tmp_path, diffusion, 3))
    assert 0 <= low < 1e-4
    assert 0.0028 < high <= 0.003
