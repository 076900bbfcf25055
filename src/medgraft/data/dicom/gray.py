"""Stored values → gray as a radiologist sees it: rescaled, windowed, upright in brightness.

The pipeline of PS3.3 C.7.6.3, PS3.4 N.2: modality (C.11.1), values of interest (C.11.2), then MONOCHROME1 inverted.
Nothing depends on the values that an image happens to hold: equal values of one file stay equal in every frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgraft.data.content import Array, BadImageError
from medgraft.data.dicom.luts import Floats, Lut
from medgraft.data.dicom.windows import WINDOWS, Asked, named

Curve = Callable[[Floats], Floats]
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
ROWS = 64  # at a time, to hold a large image as 64-bit numbers in part only
FEWEST_GRAYS = 16


@dataclass(frozen=True, eq=False)
class Gray:
    """What a file says about the meaning of its gray values.

    `rescale`: slope and intercept, None where the file has neither; `units` of what that gives; `window`: centre and
    width; `padding`: lowest and highest stored value that stand for "no image here".
    """

    inverted: bool
    bits: int
    signed: bool
    rescale: tuple[float, float] | None = None
    units: str | None = None
    modality_lut: Lut | None = None
    window: tuple[float, float] | None = None
    function: str = "LINEAR"
    voi_lut: Lut | None = None
    padding: tuple[int, int] | None = None

    @property
    def hounsfield(self) -> bool:
        """Whether rescaling gives Hounsfield units."""
        return self.units == "HU" and self.rescale is not None

    @property
    def windowed(self) -> bool:
        """Whether the file says which values are of interest."""
        return self.voi_lut is not None or self.window is not None

    @property
    def stored_range(self) -> tuple[int, int]:
        """The smallest and the largest value that the stored bits can hold."""
        half = 2 ** (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)


def shown(stored: Array, gray: Gray, window: Asked | None) -> tuple[NDArray[np.uint8], list[str]]:
    """Stored values, integers [H, W] → uint8 [H, W], and what was done; raises `BadImageError` with the reason."""
    curve, changes = _curve(gray, window)
    if gray.inverted:
        changes.append("inverted (MONOCHROME1)")
    padded = _padded(stored, gray.padding) if gray.padding else None

    def eight_bits(values: Floats) -> NDArray[np.uint8]:
        bright = np.clip(np.rint(curve(values)), 0, 255).astype(np.uint8)
        return 255 - bright if gray.inverted else bright

    pixels = mapped(stored, eight_bits)
    if padded is not None and padded.any():
        pixels[padded] = 0
        changes.append("padding shown black")
        stored, shades = stored[~padded], pixels[~padded]
    else:
        shades = pixels
    if window is None:
        _refuse_lost(stored, shades, gray.windowed)
    return pixels, changes


def linear(values: Floats, centre: float, width: float) -> Floats:
    """PS3.3 C.11.2.1.2.1: up to centre - 0.5 - (width - 1)/2 black, 0; above the same to the other side white, 255."""
    if width < 1:
        raise BadImageError("a window that makes no sense")
    middle, half = centre - 0.5, (width - 1) / 2
    if half == 0:
        return np.where(values > middle, 255.0, 0.0)
    return np.clip(((values - middle) / (2 * half) + 0.5) * 255, 0, 255)


def linear_exact(values: Floats, centre: float, width: float) -> Floats:
    """PS3.3 C.11.2.1.3.2: from centre - width/2, 0, to centre + width/2, 255."""
    if width <= 0:
        raise BadImageError("a window that makes no sense")
    return np.clip(((values - centre) / width + 0.5) * 255, 0, 255)


def sigmoid(values: Floats, centre: float, width: float) -> Floats:
    """PS3.3 C.11.2.1.3.1: 255 / (1 + exp(-4 (value - centre) / width))."""
    if width <= 0:
        raise BadImageError("a window that makes no sense")
    exponent = np.clip(-4 * (values - centre) / width, -700, 700)
    return 255 / (1 + np.exp(exponent))


def _curve(gray: Gray, window: Asked | None) -> tuple[Curve, list[str]]:
    """Stored value → 0 … 255, and what it does.

    A table of the file's own goes before its window where it has both, as in pydicom: a maker who wrote a curve meant
    it. The standard leaves it open (C.11.2.1.2).
    """
    modality, changes = _modality(gray)
    if window is not None:
        if isinstance(window, str) and not gray.hounsfield:
            raise BadImageError("no Hounsfield units for the window of the settings")
        centre, width = WINDOWS[window] if isinstance(window, str) else window
        return lambda values: linear(modality(values), centre, width), [*changes, f"window {named(window)}"]
    if (lut := gray.voi_lut) is not None:
        return lambda values: lut.of(modality(values)) * (255 / lut.white), [*changes, "lookup table of the file"]
    if gray.window is not None:
        if gray.function not in FUNCTIONS:
            raise BadImageError("a window that makes no sense")
        function = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}[gray.function]
        centre, width = gray.window
        return lambda values: function(modality(values), centre, width), [*changes, "window of the file"]
    if gray.hounsfield:  # from air to metal in 256 grays: nothing of a body would be left
        raise BadImageError("no window for Hounsfield units")
    low, high = _full_range(gray, modality)
    full = [] if gray.stored_range == (0, 255) and not changes else [f"full range of {gray.bits} bits"]
    return lambda values: (modality(values) - low) * (255 / (high - low)), [*changes, *full]


def _modality(gray: Gray) -> tuple[Curve, list[str]]:
    if (lut := gray.modality_lut) is not None:
        return lut.of, ["modality table of the file"]
    slope, intercept = gray.rescale or (1.0, 0.0)
    if slope == 0:
        raise BadImageError("a rescaling that makes no sense")
    done = "rescaled to Hounsfield units" if gray.hounsfield else "rescaled"
    return lambda values: values * slope + intercept, [] if (slope, intercept) == (1, 0) else [done]


def _full_range(gray: Gray, modality: Curve) -> tuple[float, float]:
    if gray.modality_lut is not None:
        return 0.0, float(gray.modality_lut.white)
    ends = modality(np.array(gray.stored_range, np.float64))
    return float(ends.min()), float(ends.max())


def mapped(stored: Array, curve: Callable[[Floats], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The curve of every value, of any shape; those of up to 16 bits are looked up in a table of all they can be."""
    pixels = np.empty(stored.shape, np.uint8)
    if stored.dtype.itemsize > 2:
        for start in range(0, len(stored), ROWS):
            pixels[start : start + ROWS] = curve(stored[start : start + ROWS].astype(np.float64))
        return pixels
    kind = np.dtype(f"u{stored.dtype.itemsize}")
    native = np.ascontiguousarray(stored, stored.dtype.newbyteorder("="))
    table = curve(np.arange(2 ** (8 * kind.itemsize)).astype(kind).view(native.dtype).astype(np.float64))
    for start in range(0, len(stored), ROWS):
        pixels[start : start + ROWS] = table[native[start : start + ROWS].view(kind)]
    return pixels


def _padded(stored: Array, padding: tuple[int, int]) -> NDArray[np.bool_]:
    """Where there is no image (PS3.3 C.7.5.1.1.2); some writers give a signed value as if it were unsigned."""
    span = 2 ** (8 * stored.dtype.itemsize)
    low, high = (p - span if stored.dtype.kind == "i" and p >= span // 2 else p for p in padding)
    found: NDArray[np.bool_] = (stored >= min(low, high)) & (stored <= max(low, high))
    return found


def _refuse_lost(stored: Array, shades: NDArray[np.uint8], windowed: bool) -> None:
    """A window that misses the values, or none, and bits that hold next to nothing: all but one gray is no picture."""
    if stored.size and int(stored.max()) - int(stored.min()) >= 4 * FEWEST_GRAYS:
        grays = int(shades.max()) - int(shades.min()) + 1
        if grays < FEWEST_GRAYS:
            why = (
                "next to no contrast by the window or table of the file"
                if windowed
                else "no window, and next to no contrast without one"
            )
            raise BadImageError(f"{why} ({grays} of 256 grays)")
