"""The pixel store holds what Preprocess makes of the stored bytes, and never anything else."""

import subprocess
from pathlib import Path
from platform import node

import numpy as np
import pytest
import torch
from tests.data.sources import Ingested, example

from medgraft.data.dataset import read_images, read_rows
from medgraft.data.images import decode
from medgraft.networks.network import EIGHT_BITS
from medgraft.networks.preprocess import Preprocess
from medgraft.training.pixels import being_written, open_pixels


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    return example(tmp_path_factory.mktemp("ingested"))


@pytest.mark.parametrize("size", [5, 16])
def test_values_are_those_of_the_preprocessing(ingested: Ingested, tmp_path: Path, size: int) -> None:
    pixels = open_pixels(ingested.dataset, size, EIGHT_BITS, tmp_path)
    preprocess = Preprocess(size, (0.0,), (1.0,))
    assert pixels.images.shape == (len(pixels.rows), 1, size, size)
    for image_id, raw in read_images(ingested.dataset, ["train", "validation"]):
        expected = preprocess.resize(torch.from_numpy(decode(raw).copy())[None])[0].numpy()
        assert np.abs(expected - pixels.images[pixels.rows[image_id]].astype(np.float32)).max() <= 0.501


def test_only_train_and_validation_are_in_it(ingested: Ingested, tmp_path: Path) -> None:
    wanted = read_rows(ingested.dataset, ["train", "validation"])["image_id"]
    assert set(open_pixels(ingested.dataset, 4, EIGHT_BITS, tmp_path).rows) == set(wanted)


def test_an_intact_store_is_used_again(ingested: Ingested, tmp_path: Path) -> None:
    open_pixels(ingested.dataset, 4, EIGHT_BITS, tmp_path)
    before = {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.iterdir()}
    open_pixels(ingested.dataset, 4, EIGHT_BITS, tmp_path)
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.iterdir()} == before
    assert sorted(Path(name).suffix for name in before) == [".json", ".npy"]


@pytest.mark.parametrize("damage", ["flipped bit", "cut", "no facts", "cut facts", "empty facts", "no data"])
def test_a_damaged_store_is_made_anew(ingested: Ingested, tmp_path: Path, damage: str) -> None:
    good = open_pixels(ingested.dataset, 4, EIGHT_BITS, tmp_path).images.copy()
    [data], [facts] = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    raw = bytearray(data.read_bytes())
    if damage == "flipped bit":
        raw[-1] ^= 1
        data.write_bytes(raw)
    elif damage == "cut":
        data.write_bytes(raw[:-1])
    elif damage == "cut facts":
        facts.write_text(facts.read_text()[:-9])
    elif damage == "empty facts":
        facts.write_text("")
    else:
        (facts if damage == "no facts" else data).unlink()
    np.testing.assert_array_equal(open_pixels(ingested.dataset, 4, EIGHT_BITS, tmp_path).images, good)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_is_removed_but_not_what_another_writes(tmp_path: Path) -> None:
    data = tmp_path / "store.npy"
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = tmp_path / f".{data.name}.{node()}.{gone.pid}.killed"
    left.write_bytes(b"half")
    with being_written(data) as outer:
        assert not left.exists()
        outer.write_bytes(b"outer")
        with being_written(data) as inner:
            inner.write_bytes(b"inner")
        assert data.read_bytes() == b"inner"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(data.name, b"outer")]
    with pytest.raises(IsADirectoryError), being_written(data) as path:
        path.write_bytes(tmp_path.read_bytes())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(data.name, b"outer")]
