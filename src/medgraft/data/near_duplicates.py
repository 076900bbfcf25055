"""Near duplicates: one picture in several files, re-encoded, resized or of another brightness.

Perceptual hashes propose, pixels decide (`alike.py`). Hashes alone are wrong about medical images: at a distance of 8
bits they chain 1,667 of 4,000 red cells of 200 patients into one.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgraft.data.alike import comparable, gray, likeness
from medgraft.data.hamming import BLANK, near_earlier, perceptual_hash
from medgraft.data.spill import Spill

__all__ = ["Found", "Pair", "Pictured", "find", "perceptual_hash"]

LISTED = 200  # suspects that are listed; all are counted
THUMB = 16  # pixels a side of what ranks the many that look like one picture
PROMISING = 0.96  # correlation of those; of copies it was never below 0.98 (docs/adr/0007)
LOOKS = 8  # of the promising that are compared pixel by pixel with one picture, the most alike first


@dataclass(frozen=True, slots=True)
class Pictured:
    """What is known of a picture before it is opened: its perceptual hash (None: a volume), its height and width."""

    phash: int | None
    size: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two pictures by their indices, a before b: bits between their hashes, correlations as in `Likeness`."""

    a: int
    b: int
    distance: int
    correlation: float
    inside: float | None


@dataclass(frozen=True)
class Found:
    """Pairs that are one picture, and pairs that only look so.

    `verified` ties all copies of a picture together, but need not list each two of them. `suspects` are the most alike
    of the `suspect_count` pairs that are near by hash only. `bounded`: some picture had more than `LOOKS` promising
    look-alikes, of which the least alike were not compared pixel by pixel.
    """

    verified: list[Pair]
    suspects: list[Pair]
    bounded: bool
    suspect_count: int = 0

    @property
    def copies(self) -> list[list[int]]:
        """The indices of every picture that is there more than once, in order."""
        together: dict[int, list[int]] = {}
        for pair in self.verified:
            a, b = (together.setdefault(index, [index]) for index in (pair.a, pair.b))
            if a is not b:
                a += b
                together |= dict.fromkeys(b, a)
        return sorted(sorted(copies) for copies in {id(copies): copies for copies in together.values()}.values())


def find(items: Sequence[Pictured], load: Callable[[int], NDArray[np.uint8]]) -> Found:
    """Near duplicates among the items; `load(i)` gives the pixels of the i-th, uint8 [H, W, 1 or 3].

    Only pictures that look like another are loaded, once each, and wait reduced on disk. The same items give the same
    pairs in the same order.
    """
    hashes = np.array([BLANK if item.phash is None else item.phash for item in items], dtype=np.uint64)
    sizes = np.array([item.size[:2] for item in items], dtype=np.float64).reshape(-1, 2)
    seen = _Seen(load, len(items))
    tied = np.arange(len(items))  # the same number for all copies of one picture
    verified: list[Pair] = []
    doubtful = _MostAlike()
    bounded = False
    for later, earlier, distances in near_earlier(hashes):
        fits = comparable(sizes[later], sizes[earlier]) & (tied[earlier] != tied[later])
        if not fits.any():
            continue
        earlier, distances = earlier[fits], distances[fits]
        similar = seen.similarity(later, earlier)
        looks = 0
        for k in np.lexsort((earlier, -similar))[: int((similar >= PROMISING).sum())]:
            if tied[earlier[k]] == tied[later]:
                continue
            if looks == LOOKS:
                bounded = True
                break
            looks += 1
            pair, same = seen.compare(int(earlier[k]), later, int(distances[k]))
            if same:
                verified.append(pair)
                tied[tied == tied[later]] = tied[earlier[k]]
        apart = tied[earlier] != tied[later]
        doubtful.add(later, earlier[apart], distances[apart], similar[apart])
    suspects: list[Pair] = []
    for a, b, distance in doubtful.pairs():
        if tied[a] == tied[b]:  # meanwhile, by way of another copy
            continue
        pair, same = seen.compare(a, b, distance)
        (verified if same else suspects).append(pair)
    suspects.sort(key=lambda pair: (-pair.correlation, pair.a, pair.b))
    return Found(sorted(verified, key=lambda pair: (pair.a, pair.b)), suspects, bounded, doubtful.count)


class _Seen:
    """Pictures that were loaded: 16 x 16 thumbs in memory (1 KB each), reduced gray pictures on disk."""

    def __init__(self, load: Callable[[int], NDArray[np.uint8]], count: int) -> None:
        self._load = load
        self._kept: dict[int, tuple[tuple[int, int], Callable[[], bytes]]] = {}
        self._spill = Spill(0)
        self._loaded = np.zeros(count, np.bool_)
        self._thumbs = np.zeros((count, THUMB * THUMB), np.float32)  # of mean 0 and length 1

    def similarity(self, one: int, others: NDArray[np.intp]) -> NDArray[np.float32]:
        """Correlation of the thumb of one picture with those of others."""
        wanted = np.append(others, one)
        for index in wanted[~self._loaded[wanted]].tolist():
            self._see(index)
        found: NDArray[np.float32] = self._thumbs[others] @ self._thumbs[one]
        return found

    def compare(self, a: int, b: int, distance: int) -> tuple[Pair, bool]:
        """Both pictures pixel by pixel, and whether they are one."""
        found = likeness(self._picture(a), self._picture(b))
        return Pair(a, b, distance, found.correlation, found.inside), found.same

    def _see(self, index: int) -> None:
        picture = gray(self._load(index))
        self._kept[index] = picture.size, self._spill.append(picture.tobytes())
        thumb = np.asarray(picture.resize((THUMB, THUMB), Image.Resampling.BICUBIC), dtype=np.float32).ravel()
        thumb -= thumb.mean()
        self._thumbs[index] = thumb / max(float(np.linalg.norm(thumb)), 1.0)
        self._loaded[index] = True

    def _picture(self, index: int) -> Image.Image:
        size, read = self._kept[index]
        return Image.frombytes("L", size, read())


class _MostAlike:
    """Counts pairs and keeps the `LISTED` most alike of them, the first ones where they are equally alike."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[float, int, int, int]] = []  # similarity; earlier and later, negated; distance
        self._least = -2.0

    def add(
        self, later: int, earlier: NDArray[np.intp], distances: NDArray[np.uint8], similar: NDArray[np.float32]
    ) -> None:
        self.count += len(earlier)
        keep = similar >= self._least
        columns = (similar[keep].tolist(), (-earlier[keep]).tolist(), distances[keep].tolist())
        self._kept += [(alike, other, -later, distance) for alike, other, distance in zip(*columns, strict=True)]
        if len(self._kept) > 10 * LISTED:
            self._kept = heapq.nlargest(LISTED, self._kept)
            self._least = self._kept[-1][0]

    def pairs(self) -> list[tuple[int, int, int]]:
        """(earlier, later, distance), the most alike first."""
        return [(-a, -b, distance) for _, a, b, distance in heapq.nlargest(LISTED, self._kept)]
