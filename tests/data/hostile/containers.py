"""Hostile `.npz` files: none of them is a source, and each is refused as a whole."""

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from tests.data.archiving import Entry, make_tar, make_zip
from tests.data.containers import medmnist, values
from tests.data.hostile.item import cut
from tests.data.hostile.making import TEXTS, Maker

from medgraft.data.content import Array


def npz(arrays: Mapping[str, Array | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A file of arrays; what is bytes already is taken for a whole `.npy` file."""
    files = [(name, array if isinstance(array, bytes) else _npy(array)) for name, array in arrays.items()]
    return make_zip([Entry(f"{name}.npy", content) for name, content in files], method)


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    npy.write_array(buffer, array, allow_pickle=True)  # as an attacker would
    return buffer.getvalue()


def _lying(shape: tuple[int, ...], descr: str = "|u1", content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": descr})
    return buffer.getvalue() + content


def containers(seed: int) -> Iterator[bytes]:
    """All of them: spoilt files, and sound files with arrays that are not what MedMNIST's are."""
    make, good = Maker(seed), medmnist()
    whole = npz(good)
    for _ in range(10):
        yield cut(whole, make.draw)
    yield from (b"", make.bytes(5000), make.encoded("PNG"), make_tar([]), npz({}), *TEXTS)
    for name in good:
        yield npz({key: array for key, array in good.items() if key != name})
        yield npz(good | {name: make.bytes(500)})
        yield npz(good | {name: np.array([{"a": 1}, [2], "x"], dtype=object)})
        yield npz(good | {name: values((), dtype="uint8")})
        yield npz(good | {name: values((0, 28, 28))})
        yield npz(good | {name: _lying((10**6, 10**6, 10**6))})
        yield npz(good | {name: _lying((2**62, 4))})
        yield npz(good | {name: _lying((-5, 28, 28))})
        yield npz(good | {name: _lying((5, 28, 28), "|O")})
        yield npz(good | {name: values((5, 28, 28), dtype="float32")})
        yield npz(good | {name: np.full((5, 28, 28), np.nan)})
        yield npz(good | {name: np.array(["text"] * 5)})
    yield npz(good | {"train_images": np.asfortranarray(values((5, 28, 28)))})
    yield npz(good | {"train_images": values((5, 28, 28, 4, 2))})
    yield npz(good | {"train_labels": good["train_labels"][:3]})
    yield npz(good | {"train_images": _lying((1, 2**26 + 1), content=bytes(2**26 + 1))})
    many: dict[str, Array | bytes] = {"train_images": _bomb(), "train_labels": values((100, 1), high=2)}
    yield npz({**good, **many}, zipfile.ZIP_BZIP2)  # which zipfile unpacks in steps of unbounded size
    yield npz({**good, **many}, zipfile.ZIP_LZMA)
    flipped = bytearray(npz(good, zipfile.ZIP_STORED))
    flipped[len(flipped) // 3] ^= 1
    yield bytes(flipped)
    encrypted = bytearray(whole)
    for start in (whole.index(b"PK\3\4") + 6, whole.index(b"PK\1\2") + 8):
        struct.pack_into("<H", encrypted, start, 1)
    yield bytes(encrypted)


def _bomb() -> bytes:
    """A hundred black images, which bzip2 packs into a few hundred bytes."""
    return _lying((100, 300, 300), content=bytes(100 * 300 * 300))
