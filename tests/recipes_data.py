"""Stand-ins for the sets and weights that the recipes name, where the recipes look for them."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
from safetensors.torch import save_file
from tests.data import layouts
from tests.data.containers import PCAM, values
from tests.data.sources import encoded, noise

from medgraft.networks.backbones import create_backbone

SPLITS = {"train": 40, "valid": 24, "test": 24}  # slides


def bimcv(folder: Path) -> None:
    """The positive and the negative set, 75 patients each, of two X-rays."""
    layouts.bimcv(folder / "positive", patients=150)
    for patient in sorted((folder / "positive").glob("sub-*"))[::2]:
        (folder / "negative").mkdir(exist_ok=True)
        patient.rename(folder / "negative" / patient.name)


def ham10000(folder: Path) -> None:
    """40 lesions of each class, two images each."""
    layouts.ham10000(folder, patients=280)


def pcam(folder: Path) -> None:
    """Two patches of every slide, both with tumour or both without."""
    folder.mkdir(parents=True)
    for seed, (split, slides) in enumerate(SPLITS.items()):
        labels = (np.arange(2 * slides) // 2 % 2).astype(np.uint8)
        with h5py.File(folder / PCAM.format(split=split, part="x.h5"), "w") as file:
            file.create_dataset("x", data=values((len(labels), 96, 96, 3), seed))
        with h5py.File(folder / PCAM.format(split=split, part="y.h5"), "w") as file:
            file.create_dataset("y", data=labels.reshape(-1, 1, 1, 1))
        rows = [(n, 0, 0, bool(tumour), bool(tumour), f"{split}_{n // 2:03d}") for n, tumour in enumerate(labels)]
        with (folder / PCAM.format(split=split, part="meta.csv")).open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(["", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi"])
            table.writerows(rows)


def aptos(folder: Path) -> None:
    """60 images of each grade."""
    layouts.aptos(folder, patients=300)


def chest_xray(folder: Path) -> None:
    """Names as Mendeley has them: 240 patients in train, 40 in test, half of them normal."""
    for number in range(280):
        disease = ("NORMAL", "BACTERIA", "NORMAL", "VIRUS")[number % 4]
        place = f"{'train' if number < 240 else 'test'}/{'NORMAL' if disease == 'NORMAL' else 'PNEUMONIA'}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / f"{disease}-{7422 + number}-0001.jpeg").write_bytes(encoded(noise(number, 24), "JPEG"))


def nih_cxr14(folder: Path) -> None:
    """240 patients, two images each, in turn without and with two of four findings."""
    layouts.nih_cxr14(folder, patients=240)


SETS: dict[str, Callable[[Path], None]] = {
    make.__name__: make for make in (bimcv, ham10000, pcam, aptos, chest_xray, nih_cxr14)
}


def write_weights(folder: Path, architectures: Mapping[str, str], image_size: int) -> None:
    """Random weights of each name's architecture as .safetensors, as if someone had published them."""
    for seed, (name, architecture) in enumerate(architectures.items()):
        weights = create_backbone(architecture, image_size, seed).state_dict()
        save_file(dict(weights), folder / f"{name}.safetensors")
