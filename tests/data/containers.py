"""Stand-ins for containers of images: MedMNIST, PatchCamelyon, Parquet of the `datasets` library, NIfTI."""

import csv
import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import h5py
import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgraft.data.content import Array

COUNTS = {"train": 5, "val": 3, "test": 4}
PCAM = "camelyonpatch_level_2_split_{split}_{part}"


def values(shape: Sequence[int], seed: int = 0, dtype: str = "uint8", low: int = 0, high: int = 256) -> NDArray[Any]:
    """Numbers that no other seed has."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def medmnist(shape: Sequence[int] = (28, 28), columns: int = 1, classes: int = 2) -> dict[str, NDArray[Any]]:
    """The arrays of a MedMNIST file: 5, 3 and 4 images of that shape, labels counting up."""
    arrays = {}
    for seed, (split, count) in enumerate(COUNTS.items()):
        arrays[f"{split}_images"] = values((count, *shape), seed)
        arrays[f"{split}_labels"] = (np.arange(count * columns).reshape(count, columns) % classes).astype(np.uint8)
    return arrays


def write_medmnist(path: Path, **options: Any) -> dict[str, NDArray[Any]]:
    """Write them as MedMNIST does, and return them."""
    arrays = medmnist(**options)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return arrays


def write_pcam(folder: Path, meta: bool = True, patch: int = 96) -> dict[str, NDArray[np.uint8]]:
    """Write PatchCamelyon's files with 6, 4 and 4 patches, two of a slide; returns the patches by split."""
    found = {}
    for seed, (split, count) in enumerate({"train": 6, "valid": 4, "test": 4}.items()):
        found[split] = values((count, patch, patch, 3), seed)
        labels = (np.arange(count) % 2).astype(np.uint8)
        with h5py.File(folder / PCAM.format(split=split, part="x.h5"), "w") as file:
            file.create_dataset("x", data=found[split], chunks=(2, patch, patch, 3), compression="gzip")
        with h5py.File(folder / PCAM.format(split=split, part="y.h5"), "w") as file:
            file.create_dataset("y", data=labels.reshape(count, 1, 1, 1))
        if meta:
            with (folder / PCAM.format(split=split, part="meta.csv")).open("w", newline="") as stream:
                table = csv.writer(stream)
                table.writerow(["", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi", "center"])
                for index, label in enumerate(labels):
                    tumour = str(bool(label))
                    wsi, center = f"camelyon16_{split}_tumor_{index // 2:03d}", ("RUMC", "UMCU")[index // 2 % 2]
                    table.writerow([index, 10 * index, 20 * index, tumour, tumour, wsi, center])
    return found


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]], features: Mapping[str, Any]) -> None:
    """Write a table as the `datasets` library does, row groups of two rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(dict(columns), features=datasets.Features(features))
    table.to_parquet(path, batch_size=2)


def nifti(
    array: Array,
    affine: ArrayLike | None = None,
    version: int = 1,
    slope: tuple[float, float] | None = None,
    units: str = "mm",
    code: int = 1,
    big_endian: bool = False,
    **fields: Any,
) -> bytes:
    """A single-file NIfTI as any scanner's software might write it: the array as stored, the header as told.

    `affine` goes to the sform, whose code is `code`; without it neither sform nor qform is given.
    """
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(endianness=">" if big_endian else "<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units(units)
    if affine is not None:
        header.set_sform(np.asarray(affine, np.float64), code=code)
    if slope is not None:
        header.set_slope_inter(*slope)
    header["vox_offset"] = kind.single_vox_offset
    for name, value in fields.items():
        header[name] = value
    numbers = array.astype(array.dtype.newbyteorder(">" if big_endian else "<"))
    return bytes(header.binaryblock) + bytes(4) + numbers.tobytes("F")


def gzipped(raw: bytes) -> bytes:
    """The bytes as a `.gz` file without a time."""
    return gzip.compress(raw, mtime=0)


def extended(raw: bytes, text: bytes) -> bytes:
    """A little-endian NIfTI-1 file with an extension that holds `text`."""
    length = -(-(len(text) + 8) // 16) * 16
    extension = struct.pack("<ii", length, 6) + text.ljust(length - 8, b"\0")
    offset = struct.pack("<f", 352 + length)
    return raw[:108] + offset + raw[112:348] + b"\1\0\0\0" + extension + raw[352:]
