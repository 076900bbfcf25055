"""Files of arrays are read forwards and never unpickled; whatever is wrong with them is one clear error."""

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.data.containers import medmnist, values

from medgraft.data.npz import members
from medgraft.errors import UserError


def _file(folder: Path, **arrays: NDArray[Any]) -> Path:
    np.savez_compressed(folder / "a.npz", allow_pickle=False, **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize("dtype", ["uint8", "int64", ">u2", "float32"])
def test_arrays_come_back_row_by_row(tmp_path: Path, dtype: str) -> None:
    array = values((7, 3, 2), 1, dtype)
    found = members(_file(tmp_path, a=array, b=values((3,), 2)))
    assert list(found) == ["a", "b"]
    assert (found["a"].shape, found["a"].dtype, found["a"].row) == ((7, 3, 2), array.dtype, 6 * array.itemsize)
    np.testing.assert_array_equal(found["a"].whole(), array, strict=True)
    assert list(found["a"].rows()) == [row.tobytes() for row in array]


def test_files_without_compression_and_other_versions_of_headers(tmp_path: Path) -> None:
    array = values((4, 2), 1)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for version in ((1, 0), (2, 0), (3, 0)):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=version)
            if version < (3, 0):
                archive.writestr(f"v{version[0]}.npy", buffer.getvalue())
    for member in members(tmp_path / "a.npz").values():
        np.testing.assert_array_equal(member.whole(), array)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("v3.npy", buffer.getvalue())
    with pytest.raises(UserError, match=r"not a whole .npz file"):
        members(tmp_path / "b.npz")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=True, a=np.array([Path("x"), None], dtype=object))
    with pytest.raises(UserError, match=r"'a' in the .npz file holds pickled objects, which are never loaded"):
        members(tmp_path / "a.npz")


def test_fortrans_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'a' in the .npz file is in Fortran's order"):
        members(_file(tmp_path, a=np.asfortranarray(values((4, 3), 1))))


def test_a_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue() + bytes(10))
    with pytest.raises(UserError, match=r"'a' in the .npz file is not as long as its header says"):
        members(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(), (0, 2), (10**12, 0), (-1, -10)])
def test_arrays_without_rows_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue() + bytes(max(0, np.prod(shape, dtype=int))))
    with pytest.raises(UserError, match=r"'a' in the .npz file is .*, without rows"):
        members(tmp_path / "a.npz")


def test_a_wrong_sum_is_noticed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:  # not compressed, so that a byte can be changed
        buffer = io.BytesIO()
        np.save(buffer, values((400,), 1))
        archive.writestr("a.npy", buffer.getvalue())
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[300] ^= 1
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(UserError, match=r"not a whole .npz file of arrays \(BadZipFile\)"):
        members(tmp_path / "a.npz")["a"].whole()


@pytest.mark.parametrize("raw", [b"", b"text", b"PK\3\4"])
def test_what_is_no_npz(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(UserError, match=r"not a whole .npz file of arrays \(BadZipFile\)"):
        members(tmp_path / "a.npz")
    with pytest.raises(UserError, match=r"no such .npz file"):
        members(tmp_path / "b.npz")


@cache
def _whole(packed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(buffer, allow_pickle=False, **medmnist((4, 4)))
    return buffer.getvalue()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    st.floats(0, 1),
)
def test_damage_gives_an_error_or_the_arrays(
    tmp_path: Path, packed: bool, changes: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path / "a.npz"
    spoilt = bytearray(_whole(packed))
    for where, value in changes:
        spoilt[int(where * len(spoilt))] = value
    path.write_bytes(spoilt[: round(kept * len(spoilt))] if kept < 0.5 else spoilt)
    try:
        for member in members(path).values():
            assert member.whole().nbytes == member.shape[0] * member.row > 0
    except UserError:
        return
