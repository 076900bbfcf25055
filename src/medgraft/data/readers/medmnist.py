"""Reader `medmnist`: the `.npz` files of MedMNIST (Yang et al., Sci Data 10:41, 2023; https://medmnist.com).

`<split>_images` uint8 [n, H, W], [n, H, W, 3] or, for volumes, [n, X, Y, Z]; `<split>_labels` integers [n, 1], or
[n, L] of 0 and 1 where L findings may occur together. There are no patient ids.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field

from medgraft.data.arrays import ImageArray, VolumeArray
from medgraft.data.content import Array, Content
from medgraft.data.npz import Member, members
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.spill import Spill
from medgraft.errors import UserError

SPLITS = {"train": "train", "val": "validation", "test": "test"}
LARGEST = 2**26  # bytes an image; a file that promises more would fill memory
SPACING = (1.0, 1.0, 1.0)  # MedMNIST's volumes are cubes of voxels without a size


class MedmnistSettings(ReaderSettings):
    """Which file, and what its numbers mean."""

    # `labels` is what every reader tells its classes by, so the setting of that name needs another one inside.
    model_config = ConfigDict(populate_by_name=True)

    file: str | None = Field(
        None, description="The `.npz` file in the source; left out: the source itself, or the only one in its folder."
    )
    names: dict[int, str] = Field(
        default_factory=dict,
        description="Class by label value, e.g. `{0: normal, 1: hyperplasia}`; others stay digits.",
    )
    findings: list[str] | None = Field(
        None, alias="labels", min_length=1, description="Multilabel: the name of each column of labels, in order."
    )
    splits: Literal["official", "ours"] = Field(
        "official", description="`official` keeps MedMNIST's division, `ours` divides anew."
    )

    @property
    def grouped(self) -> bool:
        """Never: MedMNIST does not say which images are of one patient."""
        return False

    @property
    def labels(self) -> list[str] | None:
        """The findings of a multi-label set."""
        return self.findings


def read(source: Path, settings: MedmnistSettings) -> Iterator[Record]:
    """A record for each image: train, validation, test, in the order of the file; "image n" counts through.

    Raises `UserError` when an array is missing or is not what MedMNIST's are.
    """
    found = members(_file(source, settings.file))
    wanted = [f"{split}_{part}" for split in SPLITS for part in ("images", "labels")]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(
            f"the .npz file lacks {', '.join(missing)} (it holds: {', '.join(found) or 'nothing'}); is it MedMNIST's?"
        )
    number = 0
    for split, ours in SPLITS.items():
        images, labels = found[f"{split}_images"], found[f"{split}_labels"]
        _refuse_odd(images)
        truths = _labels(labels, images.shape[0], settings)
        for content, truth in zip(_contents(images), truths, strict=True):
            number += 1
            yield Record(
                f"image {number}",
                content,
                label=None if settings.findings else settings.names.get(truth[0], str(truth[0])),
                labels=_findings(settings.findings, truth),
                split=ours if settings.splits == "official" else None,
            )


def _file(source: Path, name: str | None) -> Path:
    if name is not None:
        return source / name
    if not source.is_dir():
        return source
    files = sorted(source.glob("*.npz"))
    if len(files) != 1:
        raise UserError(f"dataset.source holds {len(files)} .npz files; name one in dataset.reader.file")
    return files[0]


def _refuse_odd(images: Member) -> None:
    shape = images.shape[1:]
    if images.dtype.name not in ("uint8", "uint16") or len(shape) not in (2, 3) or images.row > LARGEST:
        raise UserError(
            f"'{images.name}' in the .npz file is {images.dtype} {list(images.shape)}; MedMNIST's images are "
            f"uint8 [n, H, W], [n, H, W, 3] or [n, X, Y, Z], at most {LARGEST} bytes each"
        )


def _contents(images: Member) -> Iterator[Content]:
    shape = images.shape[1:]
    volumes = len(shape) == 3 and shape[2] not in (1, 3)
    spill = Spill(images.row * images.shape[0])
    for row in images.rows():
        array = partial(_array, spill.append(row), images)
        yield VolumeArray(array, SPACING, shape) if volumes else ImageArray(array, shape)


def _array(read: Callable[[], bytes], images: Member) -> Array:
    return np.frombuffer(read(), images.dtype).reshape(images.shape[1:])


def _labels(labels: Member, images: int, settings: MedmnistSettings) -> list[list[int]]:
    columns = len(settings.findings) if settings.findings else 1
    if labels.dtype.kind not in "iu" or labels.shape not in ((images, columns), (images,) if columns == 1 else ()):
        raise UserError(
            f"'{labels.name}' in the .npz file is {labels.dtype} {list(labels.shape)}, not whole numbers "
            f"{[images, columns]}; name the columns of a multi-label set in dataset.reader.labels"
        )
    table: list[list[int]] = labels.whole().reshape(images, columns).tolist()
    if settings.findings and any(truth not in (0, 1) for row in table for truth in row):
        raise UserError(
            f"'{labels.name}' in {settings.file or 'the .npz file'} holds other numbers than 0 and 1; drop "
            "dataset.reader.labels"
        )
    return table


def _findings(names: list[str] | None, truths: list[int]) -> Mapping[str, int] | None:
    return dict(zip(names, truths, strict=True)) if names else None


readers.add("medmnist", Reader(MedmnistSettings, read))
