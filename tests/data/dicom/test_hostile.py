"""Whatever the bytes are: an image, or a reason, and never anything else."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.dicoms import dataset, encoded

from medgraft.data.content import BadImageError
from medgraft.data.readers.dicom import read
from medgraft.data.readers.dicom_settings import DicomSettings

# pytest shows what is silenced elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FILES = Path(pydicom.__file__).parent / "data" / "test_files"
# One of each encoding that is decoded in this process, of an enhanced object, and of what is no image.
NAMES = (
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
    "rtdose_rle.dcm",
)
TELLING = (
    b"\xff" * 4,
    b"\0" * 4,
    b"\xff\xff\xff\x7f",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\xdd\xe0",
    b"SQ\0\0",
    b"UN\xff\xff",
)
SETTINGS = DicomSettings(
    type="dicom",
    burned_in="keep",
    secondary_capture="keep",
    subgroups=["PatientAge", "PatientSex", "KVP", "Manufacturer"],
    dates=["StudyDate"],
    sites={"a": "b"},
)
Change = tuple[str, float, bytes]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut"]),
        st.floats(0, 1),
        st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=12)),
    ),
    min_size=1,
    max_size=6,
)


def _changed(raw: bytes, changes: list[Change], header: bool) -> bytes:
    found = bytearray(raw)
    for how, where, value in changes:
        at = 132 + int(where * (min(len(found), 1200 if header else len(found)) - 132))
        if how == "insert":
            found[at:at] = value
        elif how == "replace":
            found[at : at + len(value)] = value
        elif how == "delete":
            del found[at : at + len(value)]
        elif where > 0.5:
            del found[at:]
    return bytes(found)


def _survives(folder: Path, raw: bytes) -> None:
    (folder / "f").write_bytes(raw)
    records = list(read(folder, SETTINGS))
    assert records
    for record in records[:2]:
        if record.content is None:
            assert record.problem
            continue
        assert len(record.content.digest()) == 64
        try:
            found = record.content.load(1_000_000)
        except BadImageError as reason:
            assert str(reason)  # noqa: PT017  (both outcomes are right)
        else:
            assert found.array.dtype == np.uint8
            assert found.array.ndim == 3
            assert found.array.size <= 3_000_000


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, header=st.booleans())
def test_files_with_changed_bytes(tmp_path: Path, name: str, changes: list[Change], header: bool) -> None:
    _survives(tmp_path, _changed((FILES / name).read_bytes(), changes, header))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=600), st.booleans())
def test_random_bytes(tmp_path: Path, raw: bytes, prefixed: bool) -> None:
    _survives(tmp_path, bytes(128) * prefixed + b"DICM" * prefixed + raw)


def test_sequences_within_sequences_without_end(tmp_path: Path) -> None:
    raw = encoded(dataset(np.zeros((8, 8), np.uint8)))
    start = raw.index(b"\x08\x00\x16\x00UI")  # the first element behind the meta information
    deep = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    (tmp_path / "f").write_bytes(raw[:start] + deep + raw[start:])
    [record] = read(tmp_path, SETTINGS)
    assert record.problem == "damaged header (RecursionError)"
