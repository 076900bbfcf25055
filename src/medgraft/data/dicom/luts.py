"""Lookup tables: of a modality, of the values of interest, and of the colours of a palette.

PS3.3 C.11.1.1 (modality), C.11.2.1.1 (values of interest), C.7.6.3.1.5 and C.7.9.2 (palettes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import items

Floats = NDArray[np.float64]
NONSENSE = "a lookup table that makes no sense"
PALETTE_KEYWORDS = tuple(
    f"{segmented}{colour}PaletteColorLookupTable{part}"
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    for colour in ("Red", "Green", "Blue")
)


@dataclass(frozen=True, eq=False)
class Lut:
    """`data`: int64 [entries], 0 … 2^bits - 1; values below `first` get the first entry, those past it all the last."""

    first: int
    bits: int
    data: NDArray[np.int64]

    def of(self, values: Floats) -> Floats:
        """The entries for those values, of any shape."""
        where = np.clip(np.rint(values) - self.first, 0, len(self.data) - 1).astype(np.intp)
        return np.asarray(self.data[where], np.float64)

    @property
    def white(self) -> int:
        """The largest value of as many bits as the table's own largest entry needs.

        Makers write tables "of 16 bits" whose entries have 12; shown by what they could hold, they would be all but
        black.
        """
        return max((1 << int(self.data.max()).bit_length()) - 1, 1)


def sequence_lut(dataset: Dataset, keyword: str, little: bool, signed: bool) -> Lut | None:
    """The first table of a sequence, the others being other views; None where there is no sequence."""
    found = items(dataset, keyword)
    if not found:
        return None
    descriptor = _descriptor(found[0].get("LUTDescriptor"), signed)
    return _lut(descriptor, _entries(found[0].get("LUTData"), descriptor, little))


def palette(dataset: Dataset, little: bool, signed: bool) -> tuple[Lut, Lut, Lut]:
    """The tables of red, green and blue; raises `BadImageError` where they are missing or make no sense."""
    red, green, blue = (_colour(dataset, colour, little, signed) for colour in ("Red", "Green", "Blue"))
    return red, green, blue


def _colour(dataset: Dataset, colour: str, little: bool, signed: bool) -> Lut:
    descriptor = _descriptor(dataset.get(f"{colour}PaletteColorLookupTableDescriptor"), signed)
    segments = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
    if segments is not None:
        return _lut(descriptor, _expanded(_words(segments, descriptor[2], little), descriptor[0]))
    return _lut(descriptor, _entries(dataset.get(f"{colour}PaletteColorLookupTableData"), descriptor, little))


def _descriptor(value: Any, signed: bool) -> tuple[int, int, int]:  # noqa: ANN401  (a value of any type)
    if value is None or isinstance(value, str | bytes | int) or len(value) != 3:
        raise BadImageError(NONSENSE)
    entries, first, bits = (int(one) for one in value)
    if signed and first > 0x7FFF:  # the standard wants it signed then, and not all writers do
        first -= 0x10000
    if not 8 <= bits <= 16 or entries < 0:
        raise BadImageError(NONSENSE)
    return entries or 0x10000, first, bits


def _entries(value: Any, descriptor: tuple[int, int, int], little: bool) -> NDArray[np.int64]:  # noqa: ANN401  (of pydicom)
    entries, _, bits = descriptor
    if isinstance(value, bytes) and bits == 8 and len(value) in (entries, entries + 1):
        return np.frombuffer(value, np.uint8)[:entries].astype(np.int64)
    words = _words(value, 16, little)
    if len(words) != entries:
        raise BadImageError(NONSENSE)
    return words


def _words(value: Any, bits: int, little: bool) -> NDArray[np.int64]:  # noqa: ANN401  (of pydicom)
    if isinstance(value, bytes):
        kind = np.dtype(np.uint8 if bits == 8 else np.uint16).newbyteorder("<" if little else ">")
        return np.frombuffer(value[: len(value) // kind.itemsize * kind.itemsize], kind).astype(np.int64)
    if value is None or isinstance(value, str):
        raise BadImageError(NONSENSE)
    return np.atleast_1d(np.asarray(value, np.int64))


def _expanded(words: Sequence[int] | NDArray[np.int64], entries: int) -> NDArray[np.int64]:
    """A table of segments, C.7.9.2: discrete ones (0) are copied, linear ones (1) lead from the entry before."""
    parts: list[NDArray[np.int64]] = []
    length, at = 0, 0
    while length < entries and at + 2 < len(words):
        kind, count = int(words[at]), int(words[at + 1])
        at += 2
        if kind == 0:
            part = np.asarray(words[at : at + count], np.int64)
            at += count
        elif kind == 1 and parts:
            steps = np.linspace(parts[-1][-1], words[at], count + 1)[1:]
            part = np.rint(steps).astype(np.int64)
            at += 1
        else:  # 2 points back into the table; nothing in use seems to write it
            raise BadImageError(NONSENSE)
        if not len(part):
            raise BadImageError(NONSENSE)
        parts.append(part)
        length += len(part)
    if length != entries:
        raise BadImageError(NONSENSE)
    return np.concatenate(parts)


def _lut(descriptor: tuple[int, int, int], data: NDArray[np.int64]) -> Lut:
    _, first, bits = descriptor
    if data.min() < 0 or data.max() >= 2**bits:
        raise BadImageError(NONSENSE)
    return Lut(first, bits, data)
