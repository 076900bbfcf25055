"""Made-up pictures with something to see, and copies of them as other software writes them."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy import ndimage

Pixels = NDArray[np.uint8]


def picture(seed: int, height: int = 64, width: int = 64, channels: int = 1) -> Pixels:
    """Soft blobs, uint8 [height, width, channels]; another picture for every seed."""
    noise = np.random.default_rng(seed).normal(size=(height, width, channels))
    soft = ndimage.gaussian_filter(noise, (height / 12, width / 12, 0))
    scaled = (soft - soft.min()) / np.ptp(soft)
    return np.asarray(20 + 210 * scaled, dtype=np.uint8)


def cell(seed: int, ground: int = 0, side: int = 64) -> Pixels:
    """A bright disc on bare ground with a faint pattern inside: all have one outline, and every seed its own inside."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    disc = np.hypot(x, y) < side * 0.42
    faint = picture(seed, side, side)[:, :, 0] / 9.0 + (150 if ground == 0 else 90)
    return np.where(disc, faint, ground).astype(np.uint8)[:, :, None]


def look_alike(seed: int) -> Pixels:
    """One soft picture under grain that every seed has of its own: alike by perceptual hash, not by pixels."""
    grain = np.random.default_rng(seed).normal(0, 25, (64, 64, 1))
    return np.clip(picture(0) + grain, 0, 255).astype(np.uint8)


def changed(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """The picture after a change that takes and gives a PIL image."""
    image = np.asarray(change(Image.fromarray(pixels.squeeze())))
    return image if image.ndim == 3 else image[:, :, None]


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    """Written as JPEG and read again."""

    def change(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return change


def resized(factor: float) -> Callable[[Image.Image], Image.Image]:
    """Resized, antialiased."""
    return lambda image: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 30": jpeg(30),
    "JPEG 75": jpeg(75),
    "JPEG 95": jpeg(95),
    "half size": resized(0.5),
    "three quarters": resized(0.75),
    "double size": resized(2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.9),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "half size and JPEG 75": lambda image: jpeg(75)(resized(0.5)(image)),
}
