"""Volumes come out in one orientation, one kind of number and the spacing that was asked for."""

import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.eulerangles import euler2mat
from numpy.typing import NDArray
from tests.data.containers import nifti, values
from tests.shared import shared_data

from medgraft.data.content import BadImageError, Loaded
from medgraft.data.volumes import NiftiBytes, NiftiFile, decode_nifti, encode_nifti, resampled, settled

LIMIT = 100_000
SIZES = np.array([0.5, 2.0, 3.0])
SIGNS = list(itertools.product((1, -1), repeat=3))


def _load(raw: bytes, spacing: tuple[float, float, float] | None = None) -> Loaded:
    return NiftiBytes(lambda: raw, spacing).load(LIMIT)


@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("signs", SIGNS)
def test_every_orientation_becomes_the_same_volume(turn: int, signs: tuple[int, int, int]) -> None:
    """A volume in RAS+, stored with its axes in any order and direction, comes back as it was."""
    truth = values((5, 4, 3), 1, "int16", -99, 99)
    order = list(itertools.permutations(range(3)))[turn]
    stored = truth.transpose(order)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        affine[source, axis] = sign * SIZES[source]
        stored = stored if sign > 0 else np.flip(stored, axis)
    loaded = _load(nifti(np.ascontiguousarray(stored), affine))
    np.testing.assert_array_equal(loaded.array, truth)
    assert loaded.array.flags.c_contiguous
    assert loaded.spacing == tuple(SIZES)
    turned = turn != 0 or signs != (1, 1, 1)
    assert loaded.changes == (("axes turned to RAS+",) if turned else ())


def test_the_orientation_is_nibabels(tmp_path: Path) -> None:
    rotation = euler2mat(0.2, -0.3, 2.0)
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(SIZES)
    (tmp_path / "a.nii").write_bytes(nifti(values((5, 4, 3), 1), affine))
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii"))
    loaded = NiftiFile(tmp_path / "a.nii").load(LIMIT)
    np.testing.assert_array_equal(loaded.array, np.asanyarray(canonical.dataobj))
    assert loaded.spacing == pytest.approx(canonical.header.get_zooms(), rel=1e-6)
    assert loaded.changes == ("axes turned to RAS+", "oblique axes taken as straight")


def test_the_qform_counts_where_there_is_no_sform() -> None:
    header = nibabel.Nifti1Header()
    header.set_qform(np.diag([-0.5, -2.0, 3.0, 1.0]), code=1)
    names = ("quatern_b", "quatern_c", "quatern_d", "qform_code", "pixdim")
    truth = values((4, 3, 2), 1)
    loaded = _load(nifti(truth, **{name: header[name] for name in names}))
    np.testing.assert_array_equal(loaded.array, truth[::-1, ::-1])
    assert loaded.spacing == (0.5, 2.0, 3.0)
    assert decode_nifti(nifti(truth, np.diag([1.0, 1.0, 1.0, 1.0]), **{n: header[n] for n in names}))[1] == (1, 1, 1)


def test_a_header_without_orientation_leaves_the_axes_as_they_are() -> None:
    truth = values((4, 3, 2), 1)
    loaded = _load(nifti(truth, pixdim=[0, -1, 2, 3, 0, 0, 0, 0]))
    np.testing.assert_array_equal(loaded.array, truth)
    assert loaded.spacing == (1.0, 2.0, 3.0)
    assert loaded.changes == ("no orientation in the header, axes taken as RAS+",)


@pytest.mark.parametrize(("units", "scale"), [("meter", 1000.0), ("mm", 1.0), ("micron", 0.001), ("unknown", 1.0)])
def test_spacing_is_in_millimetres(units: str, scale: float) -> None:
    loaded = _load(nifti(values((4, 3, 2), 1), np.diag([*SIZES, 1.0]), units=units))
    assert loaded.spacing == pytest.approx(tuple(SIZES * scale), rel=1e-6)
    assert loaded.changes == (() if scale == 1 else ("spacing converted to millimetres",))


def test_one_point_in_time_is_a_volume() -> None:
    truth = values((4, 3, 2, 1, 1), 1)
    np.testing.assert_array_equal(_load(nifti(truth, np.eye(4))).array, truth[..., 0, 0])


@pytest.mark.parametrize(
    ("dtype", "low", "high", "kept"),
    [
        ("uint8", 0, 256, "uint8"),
        ("int8", -128, 128, "int16"),
        ("int16", -(2**15), 2**15, "int16"),
        ("uint16", 0, 2**15, "int16"),
        ("uint16", 0, 2**16, "float32"),
        ("int32", -(2**15), 2**15, "int16"),
        ("int32", -(2**15) - 1, 0, "float32"),
        ("int64", 0, 2**15 + 1, "float32"),
        ("uint32", 0, 2**32, "float32"),
        ("uint64", 0, 300, "int16"),
        ("float32", -5, 5, "float32"),
        ("float64", 0, 5, "float32"),
    ],
)
def test_kinds_of_numbers(dtype: str, low: int, high: int, kept: str) -> None:
    numbers = values((4, 3, 2), 1, "float64" if "float" in dtype else "int64", low, high).astype(dtype)
    numbers[0, 0, 0], numbers[1, 1, 1] = low, high - 1
    loaded = _load(nifti(numbers, np.eye(4)))
    assert loaded.array.dtype == np.dtype(kept)
    np.testing.assert_array_equal(loaded.array, numbers.astype(kept))
    assert loaded.changes == (() if kept == dtype else (f"{dtype} stored as {kept}",))


@pytest.mark.parametrize(
    ("dtype", "slope", "kept"),
    [
        ("uint16", (1.0, -1024.0), "int16"),
        ("uint8", (2.0, 0.0), "int16"),
        ("int16", (-1.0, 3.0), "int16"),
        ("int16", (0.1, 0.0), "float32"),
        ("int16", (1.0, 0.5), "float32"),
        ("int16", (1.0, 1e5), "float32"),
        ("float64", (2.0, 1.0), "float32"),
        ("uint8", (1.0, 0.0), "uint8"),
    ],
)
def test_the_headers_scaling_is_applied(dtype: str, slope: tuple[float, float], kept: str) -> None:
    numbers = values((4, 3, 2), 1, dtype)
    loaded = _load(nifti(numbers, np.eye(4), slope=slope))
    exact = numbers.astype(np.float64) * np.float64(np.float32(slope[0])) + slope[1]
    np.testing.assert_array_equal(loaded.array, exact.astype(kept))
    assert loaded.array.dtype == np.dtype(kept)
    assert ("values rescaled as the header says" in loaded.changes) == (slope != (1.0, 0.0))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, width=32))
def test_settled_values_are_the_exact_ones_rounded_once(low: int, high: int, intercept: float) -> None:
    numbers = np.array([[[low, high]]])
    try:
        found = settled(numbers, 1.0, intercept)
    except BadImageError:
        assert abs(intercept) > 1e38
        return
    if found.dtype == np.int16:
        assert intercept.is_integer()
        assert found.ravel().tolist() == [low + int(intercept), high + int(intercept)]
    else:
        np.testing.assert_allclose(found.ravel(), [low + intercept, high + intercept], rtol=1e-6, atol=1e-6)


def _coordinates(shape: tuple[int, ...], spacing: tuple[float, ...]) -> list[NDArray[Any]]:
    """Millimetres of the voxels' centres from the centre of the volume, along each axis."""
    return [(np.arange(n) - (n - 1) / 2) * size for n, size in zip(shape, spacing, strict=True)]


@pytest.mark.parametrize("wanted", [(1.0, 1.0, 1.0), (0.25, 2.0, 3.1), (0.5, 0.3, 12.0)])
def test_resampling_keeps_places(wanted: tuple[float, float, float]) -> None:
    """A linear function of the place in millimetres stays that function, but for the clamped border."""
    spacing, shape = (0.5, 2.0, 3.0), (20, 9, 8)

    def slope(shape: tuple[int, ...], spacing: tuple[float, ...]) -> NDArray[np.float32]:
        x, y, z = np.meshgrid(*_coordinates(shape, spacing), indexing="ij")
        return np.asarray(3 * x - 2 * y + z + 100, np.float32)

    found = resampled(slope(shape, spacing), spacing, wanted, None)
    expected = tuple(max(1, round(n * old / new)) for n, old, new in zip(shape, spacing, wanted, strict=True))
    assert found.shape == expected
    reach = [(n - 1) / 2 * size + 1e-9 for n, size in zip(shape, spacing, strict=True)]
    inner = np.ix_(*(np.abs(c) <= r for c, r in zip(_coordinates(expected, wanted), reach, strict=True)))
    assert found[inner].size > 0
    np.testing.assert_allclose(found[inner], slope(expected, wanted)[inner], atol=1e-4)


@pytest.mark.parametrize("axis", range(3))
def test_resampling_a_mirrored_volume_mirrors_it(axis: int) -> None:
    volume = values((7, 6, 5), 1, "float32")
    straight = resampled(volume, (1.0, 1.0, 1.0), (0.7, 1.9, 1.3), None)
    mirrored = resampled(np.flip(volume, axis), (1.0, 1.0, 1.0), (0.7, 1.9, 1.3), None)
    np.testing.assert_allclose(np.flip(mirrored, axis), straight, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_whole_numbers_are_rounded(dtype: str) -> None:
    volume = values((7, 6, 5), 1, dtype) if dtype == "uint8" else values((7, 6, 5), 1, dtype, -99, 99)
    found = resampled(volume, (1.0, 1.0, 1.0), (0.7, 1.9, 1.3), None)
    exact = resampled(volume.astype(np.float32), (1.0, 1.0, 1.0), (0.7, 1.9, 1.3), None)
    assert found.dtype == np.dtype(dtype)
    assert np.abs(found - exact).max() <= 0.5 + 1e-5
    assert np.abs((found - exact).mean()) < 0.05


def test_the_asked_spacing_is_told_and_bounded() -> None:
    raw = nifti(values((8, 8, 8), 1), np.diag([2.0, 2.0, 2.0, 1.0]))
    loaded = _load(raw, (1.0, 2.0, 4.0))
    assert (loaded.array.shape, loaded.spacing) == ((16, 8, 4), (1.0, 2.0, 4.0))
    assert loaded.changes == ("resampled to dataset.reader.spacing",)
    assert _load(raw, (2.0, 2.0, 2.0)).changes == ()
    with pytest.raises(BadImageError, match=r"more pixels than dataset.max_pixels = 100000 \(160 x 160 x 160\)"):
        _load(raw, (0.1, 0.1, 0.1))


def test_brains_of_the_decathlon() -> None:
    folder = shared_data("msd_hippocampus_3d")
    rows = (folder / "index.csv").read_text().splitlines()[1:]
    assert len(rows) == 177
    for row in rows:
        case, *dims = row.split(",")[:4]
        loaded = NiftiFile(folder / "images" / f"{case}.nii.gz").load(LIMIT)
        assert loaded.array.shape == tuple(map(int, dims))
        assert (loaded.mode, loaded.spacing, loaded.changes) == ("NIfTI uint8", (1.0, 1.0, 1.0), ())
    image = nibabel.load(folder / "images" / f"{case}.nii.gz")
    np.testing.assert_array_equal(loaded.array, np.asanyarray(image.dataobj))
    np.testing.assert_array_equal(decode_nifti(encode_nifti(loaded.array, (1.0, 1.0, 1.0)))[0], loaded.array)
