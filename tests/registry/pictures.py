"""The images of a made-up study."""

import io

import numpy as np
from PIL import Image


def picture(patient: int, shot: int, positive: bool) -> bytes:
    """A grayscale PNG or JPEG of its own size: noise, and a bright disc where `positive`."""
    rng = np.random.default_rng([patient + 1000, shot])
    height, width = rng.integers(40, 110, size=2)
    y, x = np.mgrid[:height, :width]
    disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 4) ** 2
    pixels = rng.normal(90, 25, (height, width)) + (25 if positive else 0) * disc
    buffer = io.BytesIO()
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    image.save(buffer, "JPEG" if shot else "PNG")
    return buffer.getvalue()
