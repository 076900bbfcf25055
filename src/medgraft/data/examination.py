"""Every row of a source is looked at: usable rows go on, the others are quarantined with a reason."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from sys import intern

import numpy as np

from medgraft.catalog import nearest
from medgraft.data.content import BadImageError, Content, Loaded, TooLargeError
from medgraft.data.duplicates import Row
from medgraft.data.images import Pixels, encode_png
from medgraft.data.labels import Label, known
from medgraft.data.near_duplicates import perceptual_hash
from medgraft.data.readers import Record
from medgraft.data.threads import alone, mapped
from medgraft.data.volumes import encode_nifti
from medgraft.params import Dataset

Quarantined = tuple[str, str]
LARGE = 16_000_000  # pixels or voxels; what is larger is decoded one at a time
VOLUME = "nii.gz"
BLANK = "no contrast: every pixel has the same value"


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of an image after decoding it.

    `image_id`: hash of its values; `shape`: [H, W, C], or [X, Y, Z] of a volume; `largest`: of values with more than
    8 bits; `mean`: of the values as they are; `phash`: perceptual hash, images only; `changes`: what reading it did.
    """

    image_id: str
    shape: tuple[int, int, int]
    mode: str
    changes: tuple[str, ...]
    mean: float
    largest: int | None
    phash: int | None

    @property
    def dimensions(self) -> int:
        """2 for an image, 3 for a volume."""
        return 3 if self.phash is None else 2

    @property
    def large(self) -> bool:
        """Whether it is decoded in the one thread for what is large: by its pixels, or voxels."""
        return prod(self.shape[: self.dimensions]) > LARGE

    @property
    def channels(self) -> int:
        """1 or 3; a volume has one."""
        return 1 if self.dimensions == 3 else self.shape[2]


@dataclass(frozen=True)
class Examination:
    """Usable rows, what is known of their images (by image id), and the quarantined rows with their reasons."""

    rows: list[Row]
    images: dict[str, Examined]
    quarantined: list[Quarantined]


def content_digests(records: Iterable[Record]) -> Iterator[str]:
    """The digest of each record's content, or "missing"; cheap, so that an unchanged source is not decoded again."""
    return mapped(_digest, records)


def examine_all(records: Sequence[Record], dataset: Dataset, grouped: bool) -> Examination:
    """Decode every image and settle its label and its group."""
    rows: list[Row] = []
    images: dict[str, Examined] = {}
    quarantined: list[Quarantined] = []
    found = mapped(lambda record: _examine(record, dataset, grouped), records)
    for record, outcome in zip(records, found, strict=True):
        if isinstance(outcome, str):
            quarantined.append((record.reference, outcome))
            continue
        group = record.group if grouped and record.group is not None else outcome.image_id
        rows.append(Row(record, outcome.image_id, _label(record, dataset), group))
        images.setdefault(outcome.image_id, outcome)
    return Examination(rows, images, quarantined)


def stored_bytes(content: Content, image: Examined, white: int | None, max_pixels: int) -> tuple[bytes, str]:
    """The bytes a dataset keeps, and their extension: no metadata, upright, 8-bit gray or RGB; volumes as NIfTI.

    PNG and JPEG files that are so already keep their compressed pixels untouched; all other images become PNG.
    `image` may have been measured on a copy that was read in another way, so `kept` itself tells what may be kept;
    asking what was changed first only spares reading the file.
    """
    kept = content.kept() if not image.changes and image.largest is None else None
    if kept is not None:
        return kept
    if image.large:
        return alone(_encoded, content, white, max_pixels)
    return _encoded(content, white, max_pixels)


def pixels(content: Content, image: Examined, white: int | None, max_pixels: int) -> Pixels:
    """An image once more, as it is stored: uint8 [H, W, 1 or 3]."""
    loaded = alone(content.load, max_pixels) if image.large else content.load(max_pixels)
    return eight_bits(loaded, white)


def _encoded(content: Content, white: int | None, max_pixels: int) -> tuple[bytes, str]:
    loaded = content.load(max_pixels)
    if loaded.spacing is not None:
        return encode_nifti(loaded.array, loaded.spacing), VOLUME
    return encode_png(eight_bits(loaded, white)), "png"


def eight_bits(loaded: Loaded, white: int | None) -> Pixels:
    """An image as uint8 [H, W, 1 or 3]; values with more bits are scaled so that `white` becomes 255."""
    if loaded.array.dtype == np.uint8:
        return loaded.array
    assert white is not None
    shades = np.round(np.minimum(np.arange(65_536), white) * (255 / white)).astype(np.uint8)
    return shades[loaded.array]  # by a table: floats of a large image take eight times its memory


def white_value(images: Iterable[Examined], asked: int | None) -> int | None:
    """The value shown white for images with more than 8 bits: as asked, or all bits that the largest value needs.

    One value for the whole set: scaling each image by its own largest value would make brightness meaningless. None
    where every image has 8 bits.
    """
    found = largest(images)
    if found is None:
        return None
    return asked or max(2 ** found.bit_length() - 1, 256)


def largest(images: Iterable[Examined]) -> int | None:
    """The largest value of images with more than 8 bits, where there are any."""
    return max((image.largest for image in images if image.largest is not None), default=None)


def _digest(record: Record) -> str:
    try:
        return record.content.digest() if record.content else "missing"
    except BadImageError:
        return "missing"


def _examine(record: Record, dataset: Dataset, grouped: bool) -> Examined | str:
    if record.problem or record.content is None:
        return record.problem or "no file"
    problem = _label_problem(record, dataset)
    if problem:
        return problem
    if grouped and record.group is None:
        return "no patient"
    try:
        return examine(record.content.load(min(dataset.max_pixels, LARGE)))
    except TooLargeError:
        return alone(_examine_large, record.content, dataset.max_pixels)
    except BadImageError as reason:
        return str(reason)


def _examine_large(content: Content, max_pixels: int) -> Examined | str:
    try:
        return examine(content.load(max_pixels))
    except BadImageError as reason:
        return str(reason)


def examine(loaded: Loaded) -> Examined:
    """Hash and measure a decoded image; raises `BadImageError` where it holds nothing.

    One value everywhere is nothing: such images are of no patient, and taken for copies they would join all patients.
    """
    array = np.ascontiguousarray(loaded.array)
    if array.size == 0:
        raise BadImageError("an image without pixels")
    volume = loaded.spacing is not None
    height, width, depth = array.shape
    pixels = array.reshape(-1, 1 if volume else depth)
    if all(channel.min() == channel.max() for channel in pixels.T):  # ends at the first that differs
        raise BadImageError(BLANK)
    kind = "" if array.dtype == np.uint8 and loaded.spacing is None else f" {array.dtype} {loaded.spacing}"
    digest = sha256(f"{height}x{width}x{depth}{kind}".encode())
    digest.update(array.data)
    return Examined(
        digest.hexdigest()[:32],
        (height, width, depth),
        intern(loaded.mode),
        loaded.changes,
        float(array.mean(dtype=np.float64)),
        int(array.max()) if array.dtype == np.uint16 else None,
        None if volume else perceptual_hash(eight_bits(loaded, int(array.max()) or 1)),
    )


def _label(record: Record, dataset: Dataset) -> Label | None:
    if dataset.task == "multilabel":
        label = tuple((record.labels or {}).get(name) for name in dataset.classes)
        return label if known(label) else None
    return None if record.label is None else dataset.classes.index(record.label)


def _label_problem(record: Record, dataset: Dataset) -> str | None:
    label = record.label
    if dataset.task != "multilabel" and label is not None and label not in dataset.classes:
        return f"label not among dataset.classes{nearest(label, dataset.classes)}"
    if dataset.unlabelled == "quarantine" and _label(record, dataset) is None:
        return "no label"
    return None
