"""One hostile file, and what may become of it."""

import random
from dataclasses import dataclass

ACCEPTED = "accepted"
EMPTY = "empty file"
TRUNCATED = "truncated or damaged"
HEADER = "damaged header"
UNKNOWN = "not an image that can be read"
FRAMES = "more than one frame"
TOO_LARGE = "more pixels than dataset.max_pixels = 100000000"
COLOUR_16 = "more than 8 bits a channel in colour"
NOT_WHOLE = "pixels that are not whole numbers"
OUTSIDE = "values outside 16 bits"
BLANK = "no contrast: every pixel has the same value"
# Where damage may hit the first bytes as well as the pixels, each of these tells the truth.
DAMAGE = frozenset({TRUNCATED, HEADER, UNKNOWN})


@dataclass(frozen=True)
class Hostile:
    """A file: its name, its bytes, and the outcomes that are right, `ACCEPTED` or reasons without their detail."""

    name: str
    content: bytes
    outcomes: frozenset[str]


def one(name: str, content: bytes, *outcomes: str) -> Hostile:
    """An item with those outcomes."""
    return Hostile(name, content, frozenset(outcomes))


def cut(raw: bytes, draw: random.Random, end: float = 0.9) -> bytes:
    """The beginning of a file, at least a byte of it and at most that share."""
    return raw[: draw.randint(1, max(1, int(len(raw) * end)))]
