"""Anatomy, distractors and acquisition of the digital phantoms: everything in an image but its lesions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medgraft.data.phantom_lesion import LN2, Array, Grid, Rng, rotated, soft_step


@dataclass(frozen=True)
class Anatomy:
    """What the images of one patient share; lengths in field-of-view units, grays in 0-1."""

    center: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    tissue: float
    organ: float
    vessels: int
    roughness: float
    texture_seed: int


@dataclass(frozen=True)
class Site:
    """How a hospital's machine renders: gray = offset + gain * signal**gamma, blurred, with noise."""

    zoom: float
    gamma: float
    gain: float
    offset: float
    blur: float
    noise: float


SITES = {
    "A": Site(zoom=1.0, gamma=1.0, gain=1.0, offset=0.0, blur=0.006, noise=0.025),
    "B": Site(zoom=1.08, gamma=0.8, gain=0.85, offset=0.06, blur=0.010, noise=0.035),
}


def draw_anatomy(rng: Rng) -> Anatomy:
    """A patient's anatomy; its organ lies in the field of view of every site."""
    x, y = np.clip(rng.normal(0, 0.07, size=2), -0.15, 0.15)
    return Anatomy(
        center=(float(x), float(y)),
        axes=(float(rng.uniform(0.60, 0.80)), float(rng.uniform(0.50, 0.68))),
        angle=float(rng.uniform(0, np.pi)),
        tissue=float(rng.uniform(0.12, 0.26)),
        organ=float(rng.uniform(0.18, 0.30)),
        vessels=int(rng.integers(1, 5)),
        roughness=float(rng.uniform(1.3, 1.8)),
        texture_seed=int(rng.integers(2**62)),
    )


def place_in_organ(anatomy: Anatomy, rng: Rng) -> tuple[float, float]:
    """A point (x, y), uniform over the inner part of the organ."""
    r, theta = 0.72 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    u, v = anatomy.axes[0] * r * np.cos(theta), anatomy.axes[1] * r * np.sin(theta)
    cos, sin = np.cos(anatomy.angle), np.sin(anatomy.angle)
    return float(anatomy.center[0] + cos * u - sin * v), float(anatomy.center[1] + sin * u + cos * v)


def power_noise(size: int, exponent: float, rng: Rng) -> Array:
    """Gaussian texture [size, size] with amplitude spectrum 1/f**exponent, mean 0, standard deviation 1.

    Anatomical backgrounds follow such power laws (Burgess et al., Med. Phys. 28, 2001: power exponent ~3, so
    amplitude exponent ~1.5, in mammograms)."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) / f**exponent, s=(size, size))
    return np.asarray(field / field.std())


def _vessel(grid: Grid, anatomy: Anatomy, rng: Rng) -> Array:
    """A bent, tapering tube through the organ."""
    along, across = rotated(grid, place_in_organ(anatomy, rng), rng.uniform(0, np.pi))
    bend = rng.normal(0, 0.5) * along**2 + rng.normal(0, 0.06) * np.sin(rng.uniform(3, 7) * along)
    width = np.clip(rng.uniform(0.02, 0.05) * (1 + 0.5 * along), 0.8 * grid.pixel, None)
    return np.asarray(0.04 * 4.5 ** rng.uniform() * np.exp(-(((across - bend) / width) ** 2)))


def _distractor(grid: Grid, anatomy: Anatomy, rng: Rng) -> Array:
    """A harmless bright patch: wide-skirted and mottled where a nodule is compact and smooth."""
    along, across = rotated(grid, place_in_organ(anatomy, rng), rng.uniform(0, np.pi))
    r2 = (along / rng.uniform(0.12, 0.26)) ** 2 + (across / rng.uniform(0.10, 0.20)) ** 2
    mottle = 1 + 0.6 * power_noise(len(grid.x), 0.7, rng)
    contrast = 0.04 * 7.5 ** rng.uniform()  # log-uniform to 0.3, as bright as many lesions
    return np.asarray(contrast * np.exp(-LN2 * r2) * mottle)


def draw_view(grid: Grid, anatomy: Anatomy, rng: Rng) -> Array:
    """One view of the anatomy without lesions; float64 [size, size], grays around 0-1."""
    size = len(grid.x)
    along, across = rotated(grid, anatomy.center, anatomy.angle)
    radius = np.hypot(along / anatomy.axes[0], across / anatomy.axes[1])
    organ = soft_step((radius - 1) / rng.uniform(0.03, 0.08))
    # Views of one patient look alike: half of the texture's variance is the patient's own.
    own = power_noise(size, anatomy.roughness, np.random.default_rng(anatomy.texture_seed))
    texture = np.sqrt(0.5) * (own + power_noise(size, anatomy.roughness, rng))
    tissue, contrast = anatomy.tissue + rng.normal(0, 0.03), anatomy.organ + rng.normal(0, 0.03)
    view = tissue + contrast * organ + 0.045 * texture
    for _ in range(anatomy.vessels):
        view += organ * _vessel(grid, anatomy, rng)
    for _ in range(int(rng.integers(0, 3))):
        view += organ * _distractor(grid, anatomy, rng)
    return np.asarray(view)


def acquire(signal: Array, grid: Grid, site: Site, rng: Rng) -> NDArray[np.uint8]:
    """`site`'s image of a signal: exposure, vignetting, response, blur and noise; uint8 [size, size]."""
    corner, exposure = rng.uniform(0.10, 0.30), 0.75 * 1.75 ** rng.uniform()
    signal = np.clip(signal * exposure * (1 - corner * 0.5 * (grid.x**2 + grid.y**2)), 0, None)
    gray = site.offset + site.gain * signal**site.gamma
    blurred: Array = ndimage.gaussian_filter(gray, site.blur * len(signal), mode="nearest")
    gray = blurred + site.noise * np.sqrt(0.3 + blurred) * rng.standard_normal(blurred.shape)
    return np.asarray(np.clip(np.rint(255 * gray), 0, 255), dtype=np.uint8)
