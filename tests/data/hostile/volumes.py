"""Hostile NIfTI files: more than 150, the same for the same seed."""

import zlib
from collections.abc import Iterator

import numpy as np
from tests.data.archiving import Entry, make_tar, make_zip
from tests.data.containers import gzipped, nifti
from tests.data.hostile.item import ACCEPTED, BLANK, EMPTY, HEADER, TRUNCATED, Hostile, cut, one
from tests.data.hostile.making import TEXTS, Maker

from medgraft.data.content import Array

MAX_VOXELS = 1_000_000
NO_NIFTI = "not a NIfTI file"
TOO_LARGE = f"more pixels than dataset.max_pixels = {MAX_VOXELS}"
MORE = "more data than the header promises"
NOT_FINITE = "values that are not finite"
NO_NUMBERS = "voxels that are not single numbers of at most 64 bits"
AFFINE = "wrong affine"


def volumes(seed: int) -> Iterator[Hostile]:
    """All of them, no two with the same name."""
    for kind in (truncated, flipped, nothing, bombs, values, shapes, geometry, others, sound):
        for number, item in enumerate(kind(Maker(seed))):
            yield Hostile(f"{kind.__name__}_{number:03d}.{item.name}", item.content, item.outcomes)


def _noise(make: Maker, *shape: int, dtype: str = "int16") -> Array:
    return make.numbers.integers(0, 256, shape or (7, 6, 5)).astype(dtype)


def truncated(make: Maker) -> Iterator[Hostile]:
    """Cut at a random place."""
    for _ in range(25):
        raw = nifti(_noise(make))
        yield one("nii", cut(raw, make.draw), TRUNCATED, NO_NIFTI)
        yield one("nii.gz", cut(gzipped(raw), make.draw), TRUNCATED, NO_NIFTI)


def flipped(make: Maker) -> Iterator[Hostile]:
    """A bit of the compressed voxels, which the checksum of gzip tells."""
    for _ in range(20):
        raw = bytearray(gzipped(nifti(_noise(make))))
        raw[make.draw.randint(len(raw) // 2, len(raw) - 9)] ^= 1 << make.draw.randrange(8)
        yield one("nii.gz", bytes(raw), TRUNCATED, MORE)


def nothing(make: Maker) -> Iterator[Hostile]:
    """No bytes, text, noise, compressed or not."""
    for extension in ("nii", "nii.gz"):
        yield one(extension, b"", EMPTY)
        yield one(extension, gzipped(b""), EMPTY)
        for text in TEXTS:
            yield one(extension, text, NO_NIFTI)
        for length in (3, 4, 348, 352, 5000):
            yield one(extension, make.bytes(length), NO_NIFTI)
    yield one("nii.gz", b"\x1f\x8b" + make.bytes(500), TRUNCATED)
    yield one("nii.gz", gzipped(gzipped(nifti(_noise(make)))), NO_NIFTI)


def bombs(make: Maker) -> Iterator[Hostile]:
    """Headers that promise more than is there or than memory should hold, and streams that go on and on."""
    for dims in ((2000, 2000, 2000), (32_767, 32_767, 32_767), (32_767, 32_767, 1), (1001, 1000, 1)):
        for raw in (nifti(_noise(make), dim=[3, *dims, 1, 1, 1, 1]),):
            yield one("nii", raw, TOO_LARGE)
            yield one("nii.gz", gzipped(raw), TOO_LARGE)
    yield one("nii", nifti(_noise(make), dim=[3, 100, 100, 100, 1, 1, 1, 1]), TRUNCATED)
    small = nifti(_noise(make))
    for count in (10**6, 3 * 10**7):
        yield one("nii.gz", _endless(small, count), MORE)
    yield one("nii.gz", _endless(nifti(_noise(make), vox_offset=float(2**26 - 2**10))[:352], 2**26), MORE)
    yield one("nii.gz", _endless(small[:352], 10**3), MORE, TRUNCATED)
    for offset in (1e9, -352.0, 1.0, 352.5, float("nan"), float("inf")):
        yield one("nii", nifti(_noise(make), vox_offset=offset), HEADER)


def _endless(head: bytes, count: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(head) + packer.compress(bytes(count)) + packer.flush()


def values(make: Maker) -> Iterator[Hostile]:
    """Voxels that are no numbers, or too many kinds of them."""
    for dtype in ("float32", "float64"):
        for bad in (np.nan, np.inf, -np.inf):
            for place in (0, -1):
                array = _noise(make, dtype=dtype)
                array.flat[place] = bad
                yield one("nii", nifti(array), NOT_FINITE)
        yield one("nii", nifti(np.full((3, 3, 3), np.nan, dtype)), NOT_FINITE)
    yield one("nii", nifti(np.full((3, 3, 3), 1e300)), NOT_FINITE)
    for slope in ((1e38, 0.0), (1e37, 3e38)):
        yield one("nii", nifti(_noise(make) + np.int16(1000), slope=slope), NOT_FINITE, HEADER)
    for dtype in ("complex64", "complex128"):
        yield one("nii", nifti(_noise(make, dtype=dtype)), NO_NUMBERS)
    for code, bits in (
        (128, 24),
        (2304, 32),
        (1, 1),
        (1536, 128),
        (0, 0),
        (999, 16),
    ):  # RGB, RGBA, bits, quads, none
        yield one("nii", nifti(_noise(make), datatype=code, bitpix=bits), NO_NUMBERS, HEADER)


def shapes(make: Maker) -> Iterator[Hostile]:
    """Too few dimensions, too many, or none in one of them."""
    for dims in ([1, 210], [2, 42, 5], [0]):
        yield one("nii", nifti(_noise(make), dim=(dims + [1] * 8)[:8]), "fewer than three dimensions", HEADER)
    for dims in ([3, 0, 6, 5], [3, 7, -6, 5], [3, 7, 6, 0], [4, 7, 6, 5, 0]):
        yield one("nii", nifti(_noise(make), dim=(dims + [1] * 8)[:8]), "a dimension without voxels", HEADER)
    for shape in ((3, 3, 3, 2), (3, 3, 3, 1, 2), (3, 3, 3, 2, 2, 2)):
        yield one("nii", nifti(_noise(make, *shape)), "more than one volume")
    for rank in (-1, 8, 32_767):
        raw = nifti(_noise(make), dim=[rank, 7, 6, 5, 1, 1, 1, 1])  # taken for the other byte order
        yield one("nii", raw, HEADER, NO_NIFTI, "fewer than three dimensions", "more than one volume")


def geometry(make: Maker) -> Iterator[Hostile]:
    """Places that no scanner can have measured."""
    flat = np.diag([1.0, 1.0, 1.0, 1.0])
    flat[:3, 2] = flat[:3, 1]
    for affine in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1e9, 1, 1, 1]), np.diag([1e-9, 1, 1, 1]), flat):
        yield one("nii", nifti(_noise(make), affine), AFFINE)
    for pixdim in ([1, 0, 1, 1], [1, np.nan, 1, 1], [1, np.inf, 1, 1], [1, 1e20, 1, 1]):
        yield one("nii", nifti(_noise(make), pixdim=(pixdim + [0] * 8)[:8]), AFFINE)


def others(make: Maker) -> Iterator[Hostile]:
    """Other formats, among them the pairs of files that NIfTI also knows."""
    for magic in (b"ni1\0", b"ni2\0"):
        yield one("hdr", nifti(_noise(make), magic=magic), "header and voxels in two files", NO_NIFTI)
    for content in (
        make.encoded("PNG"),
        make.encoded("TIFF"),
        make_zip([Entry("a.nii", nifti(_noise(make)))]),
        make_tar([Entry("a.nii", nifti(_noise(make)))]),
        nifti(_noise(make), magic=b"\0\0\0\0"),
        bytes(128) + b"DICM" + bytes(500),
    ):
        yield one("nii", content, NO_NIFTI)
        yield one("nii.gz", gzipped(content), NO_NIFTI)


def sound(make: Maker) -> Iterator[Hostile]:
    """Odd, but right: nothing of this may be lost."""
    for extension in ("nii", "nii.gz", "img", "png", "dcm"):
        yield one(extension, nifti(_noise(make), np.eye(4)), ACCEPTED)
        yield one(extension, gzipped(nifti(_noise(make), version=2)), ACCEPTED)
    yield one("nii", nifti(_noise(make, 1, 1, 1)), BLANK)
    yield one("nii", nifti(_noise(make), vox_offset=0.0), ACCEPTED)  # some writers leave it so
    for shape in ((500, 1, 1), (1, 500, 1), (1, 1, 500), (5, 5, 5, 1, 1)):
        yield one("nii", nifti(_noise(make, *shape)), ACCEPTED)
    for dtype in ("uint8", "int8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"):
        yield one("nii", nifti(_noise(make, dtype=dtype)), ACCEPTED)
        yield one("nii", nifti(_noise(make, dtype=dtype), big_endian=True), ACCEPTED)
