"""Reader `pcam`: PatchCamelyon as it is downloaded and gunzipped (https://github.com/basveeling/pcam).

96 x 96 RGB patches of lymph node sections; 1: tumour in the central 32 x 32 pixels. The official splits share no slide.
Patches repeat, for they were drawn at random with repetition (the Kaggle edition is without these copies:
https://www.kaggle.com/c/histopathologic-cancer-detection/data), so fewer images are kept than the 327,680 rows.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from medgraft.data.arrays import ImageArray
from medgraft.data.content import Array, BadImageError
from medgraft.data.hdf5 import LARGEST, UNREADABLE, Hdf5Array
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, Value, readers
from medgraft.data.readers.table import open_table, text
from medgraft.errors import UserError, raise_all

SPLITS = {"train": "train", "valid": "validation", "test": "test"}
FILE = "camelyonpatch_level_2_split_{split}_{part}"
TELLING = ("tumor_patch", "center_tumor_patch", "wsi")  # slides are called normal_… and tumor_…


class PcamSettings(ReaderSettings):
    """What the labels are called, and which columns of the `_meta.csv` files are used."""

    names: tuple[str, str] = Field(("normal", "tumour"), description="Classes of the labels 0 and 1.")
    group: str | None = Field(
        "wsi", description="Column of the `_meta.csv` files with the slide; null where there are no such files."
    )
    subgroups: list[str] = Field(
        default_factory=list, description="Columns kept for reports on subgroups, such as a `center` you have added."
    )

    @field_validator("subgroups")
    @classmethod
    def _nothing_secret(cls, subgroups: list[str], info: ValidationInfo) -> list[str]:
        for column in (*TELLING, info.data.get("group")):
            if column in subgroups:
                raise ValueError(f"'{column}' tells the label or the patient; take it out")
        if subgroups and info.data.get("group") is None:
            raise ValueError("come from the `_meta.csv` files, so name their column with the slide in `group`")
        return subgroups

    @property
    def grouped(self) -> bool:
        """Whether the slides are known."""
        return self.group is not None

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along."""
        return self.subgroups


def read(source: Path, settings: PcamSettings) -> Iterator[Record]:
    """A record for each patch: train, valid, test, in the order of the files; "image n" counts through.

    Raises `UserError` for files that are missing, still gzipped, damaged, or not what PatchCamelyon's are.
    """
    _refuse_missing(source, settings)
    number = 0
    for split, ours in SPLITS.items():
        patches = _patches(source, split)
        labels = _labels(source, split, patches.shape[0])
        slides = _slides(source, split, patches.shape[0], settings)
        for index, (label, (group, subgroups)) in enumerate(zip(labels, slides, strict=True)):
            number += 1
            yield Record(
                f"image {number}",
                ImageArray(partial(_patch, patches, index), patches.shape[1:]),
                label=settings.names[label],
                group=group,
                split=ours,
                subgroups=subgroups,
            )


def _refuse_missing(source: Path, settings: PcamSettings) -> None:
    parts = ["x.h5", "y.h5", *(["meta.csv"] if settings.group else [])]
    names = [FILE.format(split=split, part=part) for split in SPLITS for part in parts]
    problems = [
        f"{name}: {'still gzipped; gunzip it' if (source / (name + '.gz')).is_file() else 'missing'}"
        + ("; without such files, set dataset.reader.group to null" if name.endswith(".csv") else "")
        for name in names
        if not (source / name).is_file()
    ]
    raise_all(problems, "dataset.source")


def _patches(source: Path, split: str) -> Hdf5Array:
    name = FILE.format(split=split, part="x.h5")
    found = Hdf5Array(source / name, "x")
    if found.dtype != np.uint8 or len(found.shape) != 4 or found.shape[3] != 3 or prod(found.shape[1:]) > LARGEST:
        raise UserError(f"{name} holds {found.dtype} {list(found.shape)}, not uint8 [n, 96, 96, 3]; get it again")
    return found


def _patch(patches: Hdf5Array, index: int) -> Array:
    try:
        return patches.row(index)
    except UNREADABLE as error:
        raise BadImageError(f"truncated or damaged ({type(error).__name__})") from error


def _labels(source: Path, split: str, patches: int) -> list[int]:
    name = FILE.format(split=split, part="y.h5")
    try:
        labels: list[int] = Hdf5Array(source / name, "y").whole().ravel().tolist()
    except UNREADABLE as error:
        raise UserError(f"{name} cannot be read ({type(error).__name__}); get it again") from error
    if len(labels) != patches or not set(labels) <= {0, 1}:
        raise UserError(f"{name} does not hold a 0 or 1 for each of the {patches} patches; get it again")
    return labels


def _slides(
    source: Path, split: str, patches: int, settings: PcamSettings
) -> list[tuple[str | None, Mapping[str, Value]]]:
    if settings.group is None:
        return [(None, {})] * patches
    name = FILE.format(split=split, part="meta.csv")
    table = open_table(source, name, [settings.group], numbers=settings.subgroups)
    if table.height != patches:
        raise UserError(f"{name} has {table.height} rows for {patches} patches; get it again")
    return [
        (text(row[settings.group]), {column: row[column] for column in settings.subgroups})
        for row in table.iter_rows(named=True)
    ]


readers.add("pcam", Reader(PcamSettings, read))
