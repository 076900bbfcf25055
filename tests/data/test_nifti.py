"""What a NIfTI file promises is checked before it is believed; text in its header goes nowhere."""

import gzip
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.data.containers import extended, gzipped, nifti, values

from medgraft.data.content import BadImageError
from medgraft.data.volumes import NiftiBytes, NiftiFile, decode_nifti, encode_nifti

LIMIT = 10_000
VOLUME = values((4, 3, 2), 1)
EYE = np.eye(4)
PLAIN = nifti(VOLUME, EYE)


def _affine(*columns: tuple[float, float, float]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, : len(columns)] = np.array(columns).T
    return affine


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_what_is_written_is_read_bit_for_bit(dtype: str) -> None:
    array = values((5, 4, 3), 2, dtype, *((0, 256) if dtype == "uint8" else (-2000, 2000)))
    if dtype == "float32":
        array = array / np.float32(7)
    spacing = (0.5, 0.699999988079071, 3.0)
    raw = encode_nifti(array, spacing)
    found, read = decode_nifti(raw)
    np.testing.assert_array_equal(found, array, strict=True)
    assert read == spacing
    assert encode_nifti(np.asfortranarray(array), spacing) == raw
    assert gzip.decompress(raw)[:352] == gzip.decompress(encode_nifti(array, spacing))[:352]


def test_what_is_written_is_what_nibabel_reads(tmp_path: Path) -> None:
    array = values((5, 4, 3), 2, "int16", -2000, 2000)
    (tmp_path / "a.nii.gz").write_bytes(encode_nifti(array, (1.0, 2.0, 3.0)))
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), array)
    np.testing.assert_array_equal(image.affine, np.diag([1.0, 2.0, 3.0, 1.0]))
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.header.get_xyzt_units() == ("mm", "unknown")
    assert image.header.get_zooms() == (1.0, 2.0, 3.0)


def test_nothing_of_a_header_survives() -> None:
    names: dict[str, Any] = {
        "descrip": b"Jane Doe 1970",
        "db_name": b"Jane Doe",
        "aux_file": b"Jane Doe",
        "intent_name": b"Jane Doe",
    }
    raw = extended(nifti(VOLUME, EYE, **names), b"PatientName Jane Doe")
    assert raw.count(b"Jane Doe") == 5
    assert b"Jane Doe" not in gzip.decompress(encode_nifti(*decode_nifti(raw)))
    np.testing.assert_array_equal(decode_nifti(raw)[0], VOLUME)
    assert NiftiBytes(lambda: raw).kept() is None


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_single_file_is_read(version: int, big_endian: bool, packed: bool, tmp_path: Path) -> None:
    array = values((4, 3, 2), 1, "int16", -300, 300)
    raw = nifti(array, EYE, version, big_endian=big_endian)
    path = tmp_path / "volume.png"  # whatever it is called
    path.write_bytes(gzipped(raw) if packed else raw)
    loaded = NiftiFile(path).load(LIMIT)
    np.testing.assert_array_equal(loaded.array, array)
    assert loaded.array.dtype == np.dtype("int16")
    assert (loaded.mode, loaded.changes, loaded.spacing) == ("NIfTI int16", (), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("version", [1, 2])
def test_voxels_begin_where_they_do_by_default(version: int) -> None:
    array, spacing = decode_nifti(nifti(VOLUME, EYE, version, vox_offset=0))
    np.testing.assert_array_equal(array, VOLUME)
    assert spacing == (1.0, 1.0, 1.0)


def test_digests_are_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(PLAIN)
    assert NiftiFile(tmp_path / "a.nii").digest() == NiftiBytes(lambda: PLAIN).digest()
    for content in (NiftiFile(tmp_path / "none.nii"), NiftiFile(tmp_path)):
        with pytest.raises(BadImageError, match=r"^file (missing|cannot be read \(IsADirectoryError\))$"):
            content.digest()
        with pytest.raises(BadImageError, match=r"^file "):
            content.load(LIMIT)


NIFTI2 = nifti(VOLUME, EYE, 2)
HUGE = PLAIN[:42] + struct.pack("<3h", 30_000, 30_000, 30_000) + PLAIN[48:]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (gzipped(b""), "empty file"),
        (b"\\\1", "not a NIfTI file"),
        (b"not a volume", "not a NIfTI file"),
        (gzipped(gzipped(PLAIN)), "not a NIfTI file"),
        (PLAIN[:344] + bytes(4) + PLAIN[348:], "not a NIfTI file"),  # Analyze 7.5
        (PLAIN[:344] + b"ni1\0" + PLAIN[348:], "header and voxels in two files"),
        (PLAIN[:100], r"truncated or damaged \(EOFError\)"),
        (PLAIN[:-1], r"truncated or damaged \(EOFError\)"),
        (gzipped(PLAIN)[:-3], r"truncated or damaged \(EOFError\)"),
        (gzipped(PLAIN)[:-5] + b"\0" + gzipped(PLAIN)[-4:], r"truncated or damaged \(BadGzipFile\)"),
        (PLAIN + b"\0", "more data than the header promises"),
        (gzipped(PLAIN + bytes(5_000_000)), "more data than the header promises"),
        (gzipped(PLAIN) + gzipped(bytes(10)), "more data than the header promises"),
        (HUGE, r"more pixels than dataset.max_pixels = 10000 \(30000 x 30000 x 30000\)"),
        (nifti(values((2, 2), 1), EYE), "fewer than three dimensions"),
        (nifti(VOLUME, EYE, dim=[3, 4, 0, 2, 1, 1, 1, 1]), "a dimension without voxels"),
        (nifti(VOLUME, EYE, dim=[3, 4, -3, 2, 1, 1, 1, 1]), "a dimension without voxels"),
        (nifti(values((2, 2, 2, 3)), EYE), r"more than one volume \(3\)"),
        (nifti(values((2, 2, 2, 1, 3)), EYE), r"more than one volume \(3\)"),
        (nifti(VOLUME.astype(np.complex64), EYE), r"voxels that are not single numbers .*\(complex64\)"),
        (nifti(VOLUME, EYE, datatype=1536), "damaged header|voxels that are not single numbers"),  # float128
        (nifti(VOLUME, EYE, datatype=128), "voxels that are not single numbers"),  # RGB
        (nifti(VOLUME, EYE, datatype=1), r"voxels that are not single numbers"),
        (nifti(VOLUME, EYE, datatype=12345), "damaged header"),
        (nifti(VOLUME, EYE, vox_offset=100), "damaged header"),
        (nifti(VOLUME, EYE, vox_offset=352.5), "damaged header"),
        (nifti(VOLUME, EYE, vox_offset=np.nan), "damaged header"),
        (nifti(VOLUME, EYE, vox_offset=1e15), "damaged header"),
        (nifti(VOLUME, EYE, vox_offset=40_000), "truncated or damaged"),
        (nifti(VOLUME, EYE, scl_slope=1, scl_inter=np.inf), "damaged header"),
        (nifti(VOLUME, EYE, scl_slope=1e38, scl_inter=0), "values that are not finite"),
        (nifti(VOLUME, EYE, srow_x=[0, 0, 0, 0]), "wrong affine"),
        (nifti(VOLUME, EYE, srow_x=[np.nan, 0, 0, 0]), "wrong affine"),
        (nifti(VOLUME, EYE, srow_z=[0, 0, np.nan, 0]), "wrong affine"),
        (nifti(VOLUME, EYE, srow_x=[1, 0, 0, np.inf]), "wrong affine"),
        (nifti(VOLUME, EYE, srow_x=[1e-40, 0, 0, 0], srow_y=[0, 1e38, 0, 0]), "wrong affine"),
        (nifti(VOLUME, _affine((1, 0, 0), (1, 1e-5, 0), (0, 0, 1))), "wrong affine"),
        (nifti(VOLUME, qform_code=1, quatern_b=5), "wrong affine"),
        (nifti(VOLUME, pixdim=[1, 0, 1, 1, 1, 1, 1, 1]), "wrong affine"),
        (nifti(VOLUME, pixdim=[1, np.nan, 1, 1, 1, 1, 1, 1]), "wrong affine"),
        (nifti(VOLUME, pixdim=[1, 1, np.nan, 1, 1, 1, 1, 1]), "wrong affine"),
        (NIFTI2[:4] + b"n+1\0" + NIFTI2[8:-1], "truncated or damaged"),
        (nifti(values((33_000, 1, 1)), EYE, 2), "an axis of more than 32767 voxels"),
    ],
)
def test_unusable_volumes_have_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        NiftiBytes(lambda: raw).load(100_000 if "32767" in reason else LIMIT)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_not_finite(value: float, dtype: str) -> None:
    array = values((4, 3, 2), 1, dtype)
    array[2, 1, 1] = value
    with pytest.raises(BadImageError, match=r"^values that are not finite$"):
        decode_nifti(nifti(array, EYE))


def test_numbers_too_large_for_float32_are_not_finite() -> None:
    array = values((4, 3, 2), 1, "float64")
    array[0, 0, 0] = 1e300
    with pytest.raises(BadImageError, match=r"^values that are not finite$"):
        decode_nifti(nifti(array, EYE))


@pytest.mark.parametrize("packed", [False, True])
def test_a_bomb_is_refused_by_its_header(packed: bool) -> None:
    """Megabytes of zeros, once promised and once not: neither are unpacked."""
    promised = nifti(values((1, 1, 1)), EYE, dim=[3, 1000, 1000, 1000, 1, 1, 1, 1])
    raw = gzipped(promised + bytes(20_000_000)) if packed else promised
    unpromised = gzipped(PLAIN + bytes(20_000_000))
    for bomb in (raw, unpromised):
        tracemalloc.start()
        with pytest.raises(BadImageError, match=r"more pixels|more data"):
            NiftiBytes(lambda bomb=bomb: bomb).load(LIMIT)  # type: ignore[misc]  # bound at once, called here
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3_000_000


@given(st.binary(max_size=700))
def test_random_bytes_give_only_reasons(raw: bytes) -> None:
    with pytest.raises(BadImageError, match=r"\w"):
        NiftiBytes(lambda: raw).load(LIMIT)


SAMPLES = [
    PLAIN,
    gzipped(PLAIN),
    NIFTI2,
    nifti(values((3, 3, 3), 1, "float32") / np.float32(3), EYE, big_endian=True),
    nifti(values((3, 3, 3), 1, "int16", -99, 99), _affine((0, -2, 0.1), (3, 0, 0), (0, 0.1, -1)), slope=(2.0, 1.0)),
    nifti(values((3, 3, 3), 1, "float64"), qform_code=1, quatern_b=0.5),
    extended(PLAIN, b"text"),
    nifti(values((3, 3, 3, 1), 1, "uint16"), pixdim=[0, -1, 2, 3, 0, 0, 0, 0], units="micron"),
    encode_nifti(VOLUME, (1.0, 2.0, 3.0)),
]


# What turns a field of a header into the largest, an infinite, no number, or a negative one.
FIELDS = [b"\xff\xff\xff\x7f", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\xff\xff\xff\xff", bytes(4), b"\xff\x7f", b"\0\x80"]
PIECES = st.sampled_from(FIELDS) | st.binary(min_size=1, max_size=4)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), PIECES), max_size=4),
    st.floats(0, 1),
    st.sampled_from([None, (1.0, 1.0, 1.0), (0.5, 2.0, 700.0)]),
)
@example(PLAIN, [(76.5 / 360, b"\0\0\xc0\x7f")], 1.0, (0.5, 2.0, 700.0))
def test_damage_gives_a_reason_or_a_volume_that_can_be_stored(
    raw: bytes, changes: list[tuple[float, bytes]], kept: float, spacing: tuple[float, float, float] | None
) -> None:
    spoilt = bytearray(raw)
    for where, piece in changes:
        start = int(where * min(len(spoilt), 360))
        spoilt[start : start + len(piece)] = piece
    spoilt = spoilt[: round(kept * len(spoilt))] if kept < 0.8 else spoilt
    try:
        loaded = NiftiBytes(lambda: bytes(spoilt), spacing).load(LIMIT)
    except BadImageError:
        return
    assert loaded.spacing is not None
    assert loaded.array.dtype in (np.uint8, np.int16, np.float32)
    assert loaded.array.ndim == 3
    assert loaded.array.size <= LIMIT
    stored, read = decode_nifti(encode_nifti(loaded.array, loaded.spacing))
    np.testing.assert_array_equal(stored, loaded.array, strict=True)
    assert read == loaded.spacing
