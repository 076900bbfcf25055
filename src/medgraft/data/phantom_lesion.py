"""Lesions of the digital phantoms: contrast maps on a grid, one function a kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator

LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Grid:
    """Pixel centres in field-of-view units: `x`, `y` float64 [size, size] in (-1, 1); `pixel` is a pixel's width."""

    x: Array
    y: Array
    pixel: float


def make_grid(size: int, zoom: float = 1.0) -> Grid:
    """The grid of a square image; `zoom` > 1 narrows the field of view, so that everything looks larger."""
    axis = (2.0 * np.arange(size) + 1.0 - size) / size / zoom
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return Grid(x, y, 2.0 / size / zoom)


def rotated(grid: Grid, center: tuple[float, float], angle: float) -> tuple[Array, Array]:
    """Coordinates [size, size] along and across an axis through `center` (x, y) at `angle` radians."""
    dx, dy = grid.x - center[0], grid.y - center[1]
    return np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx


def soft_step(x: Array) -> Array:
    """Logistic edge: 1 far below zero, 1/2 at zero, 0 far above."""
    return 1.0 / (1.0 + np.exp(np.clip(x, -50.0, 50.0)))


def _nodule(along: Array, across: Array, radius: float, pixel: float, rng: Rng) -> Array:
    squeeze = rng.uniform(0.75, 1.0)
    r2 = (along**2 + (across / squeeze) ** 2) / radius**2
    return np.asarray(np.exp(-LN2 * r2**2))


def _ring(along: Array, across: Array, radius: float, pixel: float, rng: Rng) -> Array:
    r = np.hypot(along, across / rng.uniform(0.8, 1.0)) / radius
    rim = rng.uniform(0.14, 0.22)
    core = soft_step((r - 0.8) / 0.08)
    return np.asarray(np.exp(-(((r - 0.85) / rim) ** 2)) - 0.45 * core)


def _spiculated(along: Array, across: Array, radius: float, pixel: float, rng: Rng) -> Array:
    shape = np.exp(-LN2 * (along**2 + across**2) / (0.45 * radius) ** 2)
    spikes = int(rng.integers(6, 10))
    for spike in range(spikes):
        angle = 2.0 * np.pi * (spike + rng.uniform(-0.3, 0.3)) / spikes
        out = np.cos(angle) * along + np.sin(angle) * across
        off = np.cos(angle) * across - np.sin(angle) * along
        length = radius * rng.uniform(0.6, 1.2)
        width = np.clip(0.16 * radius * (1.0 - 0.6 * out / length), 0.6 * pixel, None)
        spike_shape = 0.9 * np.exp(-((off / width) ** 2)) * soft_step((out - length) / 0.02) * (out > 0.0)
        shape = np.maximum(shape, spike_shape)
    return np.asarray(shape)


def _calcification(along: Array, across: Array, radius: float, pixel: float, rng: Rng) -> Array:
    dots = np.zeros_like(along)
    for _ in range(int(rng.integers(6, 14))):
        distance, direction = radius * np.sqrt(rng.uniform()), rng.uniform(0.0, 2.0 * np.pi)
        sigma = max(rng.uniform(0.014, 0.022), 0.6 * pixel)  # below that, dots fall between pixels
        r2 = (along - distance * np.cos(direction)) ** 2 + (across - distance * np.sin(direction)) ** 2
        dots = np.maximum(dots, rng.uniform(0.6, 1.0) * np.exp(-0.5 * r2 / sigma**2))
    return dots


def _streak(along: Array, across: Array, radius: float, pixel: float, rng: Rng) -> Array:
    width = max(rng.uniform(0.025, 0.04), 0.7 * pixel)
    return np.asarray(np.exp(-((across / width) ** 2)) * soft_step((np.abs(along) - radius) / 0.03))


# (along, across, radius, pixel, rng) -> contrast [size, size], any scale
_Shape: TypeAlias = Callable[[Array, Array, float, float, Rng], Array]
_SHAPES: dict[str, _Shape] = {
    "nodule": _nodule,
    "ring": _ring,
    "spiculated": _spiculated,
    "calcification": _calcification,
    "streak": _streak,
}
# Radii in field-of-view units (half the image width is 1).
_RADII = {
    "nodule": (0.09, 0.19),
    "ring": (0.12, 0.22),
    "spiculated": (0.15, 0.24),
    "calcification": (0.10, 0.20),
    "streak": (0.18, 0.32),
}
# Peak contrast over the tissue (1 = full gray range), log-uniform; the low end drowns in texture and noise.
_CONTRASTS = {
    "nodule": (0.10, 0.36),
    "ring": (0.07, 0.32),
    "spiculated": (0.13, 0.40),
    "calcification": (0.28, 0.70),
    "streak": (0.18, 0.45),
}
KINDS: tuple[str, ...] = tuple(_SHAPES)
RARE_KIND = "streak"


@dataclass(frozen=True)
class Lesion:
    """One lesion: `shape` float64 [size, size] with peak 1; `contrast` in 0-1; `diameter` in image widths."""

    kind: str
    shape: Array
    contrast: float
    diameter: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """bool [size, size]: where the contrast is above half its peak; at least the peak's pixel."""
        return self.shape > 0.5


def draw_lesion(kind: str, grid: Grid, center: tuple[float, float], rng: Rng) -> Lesion:
    """A lesion of `kind` (of `KINDS`) at `center` (x, y) in field-of-view units."""
    radius = float(rng.uniform(*_RADII[kind]))
    low, high = _CONTRASTS[kind]
    contrast = float(low * (high / low) ** rng.uniform())
    along, across = rotated(grid, center, rng.uniform(0.0, np.pi))
    shape = _SHAPES[kind](along, across, radius, grid.pixel, rng)
    return Lesion(kind, shape / shape.max(), contrast, radius)
