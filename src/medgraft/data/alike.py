"""Whether two pictures are one: decided by their pixels, after they have been brought to one size.

The limits were set by measurement on public sets (docs/adr/0007-near-duplicates-are-decided-inside-the-outline.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SAME = 0.98  # Pearson correlation of all gray values
SAME_INSIDE = 0.95  # the same, inside the outline only
ASPECT = 0.02  # with a larger relative difference of width / height it is another picture, or another cut of it
SMALLEST = 24  # pixels of the shorter side: look-alikes of fewer pixels correlate as well as copies do
LARGEST = 256  # pixels of the longer side: finer detail is not compared
GROUND = 16  # gray levels from black, and from white, that are bare ground
LEAST_INSIDE = 64  # pixels


@dataclass(frozen=True)
class Likeness:
    """How alike two pictures are: Pearson correlation of all pixels, and of those inside (None: there are none).

    Inside are pixels that are bare ground (nearly black or nearly white) in neither picture. A cell or a fundus on
    black correlates with any other of its outline; what lies inside the outline tells them apart.
    """

    correlation: float
    inside: float | None

    @property
    def same(self) -> bool:
        """Whether the two are one picture, which makes their patients one and is an error across official splits."""
        return self.correlation >= SAME and self.inside is not None and self.inside >= SAME_INSIDE


def gray(array: NDArray[np.uint8]) -> Image.Image:
    """uint8 [H, W, 1 or 3] → 8-bit gray, its longer side at most `LARGEST` pixels."""
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).convert("L")
    shrunk = LARGEST / max(image.size)
    if shrunk >= 1:
        return image
    size = (max(1, round(image.width * shrunk)), max(1, round(image.height * shrunk)))
    return image.resize(size, Image.Resampling.BICUBIC)


def comparable(size: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the others could be resized copies, by their proportions; sizes are height and width, [2] and [n, 2]."""
    proportions = np.log(others[:, 1] / others[:, 0]) - np.log(size[1] / size[0])
    large_enough = np.minimum(others.min(axis=1), size.min()) >= SMALLEST
    found: NDArray[np.bool_] = large_enough & (np.abs(proportions) <= np.log1p(ASPECT))
    return found


def likeness(a: Image.Image, b: Image.Image) -> Likeness:
    """Compare two gray pictures of the same proportions; the larger is resized (antialiased) to the smaller's size."""
    small, large = sorted((a, b), key=lambda image: image.width * image.height)
    if large.size != small.size:
        large = large.resize(small.size, Image.Resampling.BICUBIC)
    x, y = np.asarray(small, dtype=np.float32), np.asarray(large, dtype=np.float32)
    inside = _without_edge(~(_bare(x) | _bare(y)))
    if inside.sum() < LEAST_INSIDE:
        return Likeness(_correlation(x, y), None)
    # Slightly blurred: where there is little contrast, the noise of compression would decide.
    x_inside, y_inside = (ndimage.gaussian_filter(picture, 1.0)[inside] for picture in (x, y))
    return Likeness(_correlation(x, y), _correlation(x_inside, y_inside))


def _bare(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    return (pixels <= GROUND) | (pixels >= 255 - GROUND)


def _without_edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Less the pixels beside bare ground, where resizing mixes it with the picture."""
    around = np.pad(inside, 1, constant_values=True)
    return inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]


def _correlation(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Pearson's; 0 when either has no contrast, because then there is nothing they could have in common."""
    a, b = (values - values.mean(dtype=np.float64) for values in (x, y))
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0
