"""The feature store: one pass over a dataset through a frozen backbone, kept for every probe, seed and fraction.

What an initialization gives at each place (a cut, or the whole backbone) is an array of its own, memory-mapped, written
once. It is keyed by all that decides it, and used only while its checksum holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import nn
from torch.backends import cudnn

from medgraft.artifacts import fingerprint, read_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, read_images
from medgraft.data.stored import decode_stored
from medgraft.errors import UserError
from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.backbones import load_backbone
from medgraft.networks.cuts import WHOLE
from medgraft.networks.initialization import Initialization
from medgraft.networks.network import make_preprocess
from medgraft.networks.taps import tapped
from medgraft.training.data import TrainingData
from medgraft.training.fitting import Compute, device, where
from medgraft.training.pixels import being_written, intact, vouch

CODE = ("data", "networks", "training/features.py", "training/pixels.py")
BATCH = {2: 32, 3: 8}  # images, volumes
SPLITS = ("train", "validation")


@dataclass(frozen=True, eq=False)
class Examples:
    """Some images' features, by place float32 [n, channels], their labels (see `Images`), their patients."""

    features: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64] | NDArray[np.float32]
    groups: list[str]

    @property
    def whole(self) -> NDArray[np.float32]:
        """What the whole backbone gives."""
        return self.features[WHOLE]


@dataclass(frozen=True, eq=False)
class Features:
    """By place float32 [n, channels], memory-mapped, and the row of each image id."""

    arrays: Mapping[str, NDArray[np.float32]]
    rows: Mapping[str, int]

    def examples(self, data: TrainingData, images: pl.DataFrame) -> Examples:
        """Those images' features, in memory, in their order."""
        places = [self.rows[i] for i in images["image_id"]]
        found = {name: np.ascontiguousarray(values[places]) for name, values in self.arrays.items()}
        return Examples(found, data.labels(images), images["group_id"].to_list())


def open_features(
    initialization: Initialization,
    dataset: Path,
    window: tuple[float, float],
    compute: Compute,
    places: Sequence[str] = (WHOLE,),
) -> Features:
    """Pooled features of a dataset's train and validation images at each place; those not there yet in one pass.

    They are made from the stored bytes by the one preprocessing, without augmentation, the backbone in evaluation mode.
    A store made by other weights, from other images, or damaged since, is never used, but made anew. Raises `UserError`
    where features are not finite.
    """
    made_from = {"weights": initialization.card["sha256"], "dataset": dataset_card(dataset)["fingerprint"]}
    matters = {"backbone": asdict(initialization.origin.backbone), "window": window, "where": where(compute)}
    folder = compute.cache.with_name("features") / fingerprint("features", matters, made_from, code_version(CODE))
    files = {place: (folder / f"{place}.npy", folder / f"{place}.json") for place in places}
    missing = [place for place in places if not intact(*files[place])]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        compute.say(f"features of {initialization.name} at {_counted(missing)}")
        _make(initialization, dataset, window, compute, {place: files[place] for place in missing})
    ids: list[str] = read_json(files[places[0]][1])["image_ids"]
    arrays = {place: np.load(data, mmap_mode="r") for place, (data, _) in files.items()}
    return Features(arrays, {image_id: row for row, image_id in enumerate(ids)})


def _counted(places: Sequence[str]) -> str:
    return f"{len(places)} places" if len(places) > 1 else f"the place {places[0]!r}"


def passed(
    backbone: nn.Module,
    spec: BackboneSpec,
    data: TrainingData,
    images: pl.DataFrame,
    window: tuple[float, float],
    compute: Compute,
    places: Sequence[str],
) -> dict[str, NDArray[np.float32]]:
    """The same features of another backbone, not stored: by place float32 [n, channels], in the order of `images`.

    These must be of the validation split. The backbone ends up on the device.
    """
    parts: dict[str, list[NDArray[np.float32]]] = {place: [] for place in places}
    ids: list[str] = []
    for batch_ids, found in _passed(backbone, spec, data.folder, window, compute, places, ["validation"]):
        ids += batch_ids
        for place, values in found.items():
            parts[place].append(values)
    rows = {image_id: row for row, image_id in enumerate(ids)}
    wanted = [rows[i] for i in images["image_id"]]
    return {place: np.concatenate(values)[wanted] for place, values in parts.items()}


def _make(
    initialization: Initialization,
    dataset: Path,
    window: tuple[float, float],
    compute: Compute,
    files: Mapping[str, tuple[Path, Path]],
) -> None:
    spec = initialization.origin.backbone
    backbone = load_backbone(spec.architecture, spec.image_size, initialization.weights, spec.volumes)
    counts = dataset_card(dataset)["splits"]
    count = sum(counts[split]["images"] for split in SPLITS)
    arrays: dict[str, np.memmap[Any, np.dtype[np.float32]]] = {}
    ids: list[str] = []
    with ExitStack() as stack:
        unfinished = {place: stack.enter_context(being_written(data)) for place, (data, _) in files.items()}
        for batch_ids, found in _passed(backbone, spec, dataset, window, compute, list(files), SPLITS):
            for place, values in found.items():
                if not np.isfinite(values).all():
                    raise UserError(_not_finite(initialization.name, place, values))
                if place not in arrays:
                    shape = (count, values.shape[1])
                    arrays[place] = open_memmap(unfinished[place], mode="w+", dtype=np.float32, shape=shape)
                arrays[place][len(ids) : len(ids) + len(values)] = values
            ids += batch_ids
        for array in arrays.values():
            array.flush()
    for data, facts in files.values():
        vouch(data, facts, {"image_ids": ids})


@torch.inference_mode()
def _passed(
    backbone: nn.Module,
    spec: BackboneSpec,
    dataset: Path,
    window: tuple[float, float],
    compute: Compute,
    places: Sequence[str],
    splits: Sequence[str],
) -> Iterator[tuple[list[str], dict[str, NDArray[np.float32]]]]:
    """Images of the splits in batches: their ids, and their features at each place."""
    dimensions = dataset_card(dataset)["dimensions"]
    where_to = torch.device(device(compute))
    backbone = backbone.eval().to(where_to)
    preprocess = make_preprocess(spec, window)
    images = ((i, preprocess(decode_stored(raw, dimensions))) for i, raw in read_images(dataset, splits))
    while batch := list(islice(images, BATCH[dimensions])):
        inputs = torch.cat([image for _, image in batch]).to(where_to)
        # Served features are a CPU's: TF32, which cuDNN's convolutions use by default, rounds to 10 bits.
        with cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            found = tapped(backbone, inputs, places)
        yield [i for i, _ in batch], {name: values.float().cpu().numpy() for name, values in found.items()}


def _not_finite(name: str, place: str, values: NDArray[np.float32]) -> str:
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    return (
        f"the features of initialization {name} at '{place}' are not finite for {bad} of {len(values)} images; its "
        "weights are damaged or do not suit its preprocessing: check `mean` and `std`, or leave it out"
    )
