"""Seeds are derived from names, never taken from global state."""

import hashlib


def derive(*parts: object) -> int:
    """A seed in [0, 2**63) that depends on nothing but `parts` (joined by their `str`)."""
    digest = hashlib.sha256("\x1f".join(str(p) for p in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def unit(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but `parts`."""
    return (derive(*parts) >> 10) / 2**53  # 53 bits: all that a float holds, so that 1.0 never comes out
