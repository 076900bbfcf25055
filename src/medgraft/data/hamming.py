"""Perceptual hashes, and which of many differ in a few bits only."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dct

NEAR = 4  # bits of 64
BLANK = 0  # the hash of a picture without contrast, which is near no other; real hashes have half of their bits set
REDUCED = 32  # pixels a side that the hash looks at
CONTRAST = 2  # gray levels between the darkest and the brightest of these; with no more there is nothing to compare
ROWS, COLUMNS = 16, 4_096  # compared at a time, so that the work stays in the processor's cache

LOWEST = dct(np.eye(REDUCED), axis=0)[:8]  # the first of the discrete cosine transform's rows

Hashes = NDArray[np.uint64]


def perceptual_hash(array: NDArray[np.uint8]) -> int:
    """64-bit pHash of uint8 [H, W, 1 or 3]: the signs of its 64 lowest frequencies against their median.

    Hardly changes when the picture is resized or compressed again. `BLANK` where there is no contrast. Bit for bit that
    of the ImageHash library (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html), which took
    longer for it than decoding does.
    """
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).convert("L")
    # Reduced by whole factors first where the picture is so large that it makes no difference.
    small = np.asarray(image.resize((REDUCED, REDUCED), Image.Resampling.LANCZOS, reducing_gap=6.0), dtype=np.float64)
    if np.ptp(small) <= CONTRAST:
        return BLANK
    low = LOWEST @ small @ LOWEST.T
    ordered = np.sort(low, axis=None)
    return int.from_bytes(np.packbits(low > (ordered[31] + ordered[32]) / 2).tobytes(), "big")


def near(hashes: Hashes, others: Hashes) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.uint8]]]:
    """For every hash in order that is near any of the others: its index, their indices in order, the distances in bits.

    Every pair is looked at: 100,000 hashes among themselves take some 20 s of one core (measured), whatever they are.
    """
    for start in range(0, len(hashes), ROWS):
        block = hashes[start : start + ROWS]
        yield from _near(start, block, others)


def near_earlier(hashes: Hashes) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.uint8]]]:
    """The same among one list of hashes: the others of each are those before it."""
    for start in range(0, len(hashes), ROWS):
        block = hashes[start : start + ROWS]
        for index, found, distances in _near(start, block, hashes[: start + len(block)]):
            before = int(np.searchsorted(found, index))
            if before:
                yield index, found[:before], distances[:before]


def _near(start: int, block: Hashes, others: Hashes) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.uint8]]]:
    rows: list[NDArray[np.intp]] = []
    columns: list[NDArray[np.intp]] = []
    distances: list[NDArray[np.uint8]] = []
    for first in range(0, len(others), COLUMNS):
        bits = np.bitwise_count(block[:, None] ^ others[None, first : first + COLUMNS])
        if bits.min() <= NEAR:
            row, column = np.nonzero(bits <= NEAR)
            rows.append(row)
            columns.append(column + first)
            distances.append(bits[row, column])
    if not rows:
        return
    row, column, distance = np.concatenate(rows), np.concatenate(columns), np.concatenate(distances)
    for index in np.unique(row):
        if block[index] != BLANK:
            mine = row == index
            yield start + int(index), column[mine], distance[mine]
