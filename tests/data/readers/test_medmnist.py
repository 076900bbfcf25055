import io
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.data.containers import medmnist as arrays_of
from tests.data.containers import write_medmnist
from tests.shared import shared_data

from medgraft.data.arrays import ImageArray, VolumeArray
from medgraft.data.content import Content, Loaded
from medgraft.data.readers import medmnist
from medgraft.data.readers.medmnist import MedmnistSettings, read
from medgraft.data.readers.reader import Record
from medgraft.data.volumes import decode_nifti, encode_nifti
from medgraft.errors import UserError

SPLITS = ["train"] * 5 + ["validation"] * 3 + ["test"] * 4


def _read(source: Path, **settings: Any) -> list[Record]:
    return list(read(source, MedmnistSettings(type="medmnist", **settings)))


def _load(content: Content | None) -> Loaded:
    assert content is not None
    return content.load(1_000_000)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (12, 10, 8)])
def test_images_and_volumes_come_back_in_order(tmp_path: Path, shape: tuple[int, ...]) -> None:
    arrays = write_medmnist(tmp_path / "a.npz", shape=shape)
    records = _read(tmp_path)
    assert [r.reference for r in records] == [f"image {n}" for n in range(1, 13)]
    assert [r.split for r in records] == SPLITS
    assert [r.label for r in records] == list("01010") + list("010") + list("0101")
    assert {(r.group, r.labels, r.problem) for r in records} == {(None, None, None)}
    stored = np.concatenate([arrays[f"{split}_images"] for split in ("train", "val", "test")])
    volumes = len(shape) == 3 and shape[2] != 3
    for record, array in zip(records, stored, strict=True):
        assert isinstance(record.content, VolumeArray if volumes else ImageArray)
        loaded = _load(record.content)
        np.testing.assert_array_equal(loaded.array, array if array.ndim == 3 else array[:, :, None])
        assert loaded.spacing == ((1.0, 1.0, 1.0) if volumes else None)


def test_names_and_our_own_division(tmp_path: Path) -> None:
    write_medmnist(tmp_path / "a.npz", classes=3)
    records = _read(tmp_path / "a.npz", names={0: "normal", "1": "hyperplasia"}, splits="ours")
    assert [r.label for r in records[:5]] == ["normal", "hyperplasia", "2", "normal", "hyperplasia"]
    assert {r.split for r in records} == {None}


def test_several_findings_an_image(tmp_path: Path) -> None:
    arrays = write_medmnist(tmp_path / "a.npz", columns=3)
    settings = MedmnistSettings.model_validate({"type": "medmnist", "labels": ["a", "b", "c"]})
    assert settings.labels == ["a", "b", "c"]
    records = list(read(tmp_path, MedmnistSettings.model_validate(settings.model_dump())))
    assert [r.labels for r in records[:5]] == [dict(zip("abc", row, strict=True)) for row in arrays["train_labels"]]
    assert {r.label for r in records} == {None}


def test_no_patient_is_ever_known() -> None:
    assert not MedmnistSettings(type="medmnist").grouped
    assert MedmnistSettings(type="medmnist").labels is None
    with pytest.raises(ValidationError):
        MedmnistSettings(type="medmnist", splits="mine")


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"val_images": None}, {}, r"lacks val_images \(it holds: train_images, .*is it MedMNIST's"),
        ({"train_images": np.zeros((5, 4, 4), np.float32)}, {}, "'train_images' in the .npz file is float32"),
        ({"train_images": np.zeros((5, 4), np.uint8)}, {}, r"'train_images' in the .npz file is uint8 \[5, 4\]"),
        ({"train_images": np.zeros((5, 4, 4, 4, 4), np.uint8)}, {}, "'train_images'"),
        ({"train_images": np.array([None] * 5)}, {}, "'train_images' .* holds pickled objects"),
        ({"train_labels": np.zeros((4, 1), np.uint8)}, {}, r"'train_labels' .* is uint8 \[4, 1\], not whole numbers"),
        ({"train_labels": np.zeros((5, 1), np.float32)}, {}, "'train_labels' .* is float32"),
        ({"train_labels": np.zeros((5, 3), np.uint8)}, {}, "name the columns of a multi-label set in .*reader.labels"),
        ({}, {"labels": ["a", "b"]}, r"'train_labels' .* is uint8 \[5, 1\], not whole numbers \[5, 2\]"),
        ({"train_labels": np.full((5, 2), 2, np.uint8)}, {"labels": ["a", "b"]}, "holds other numbers than 0 and 1"),
        ({}, {"file": "b.npz"}, "no such .npz file"),
    ],
)
def test_what_medmnist_never_holds_is_one_clear_error(
    tmp_path: Path, change: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    arrays = write_medmnist(tmp_path / "a.npz") | change
    np.savez_compressed(tmp_path / "a.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(UserError, match=message) as caught:
        _read(tmp_path, **settings)
    assert str(tmp_path) not in str(caught.value)


def test_images_that_would_fill_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_medmnist(tmp_path / "a.npz")
    monkeypatch.setattr(medmnist, "LARGEST", 28 * 28 - 1)
    with pytest.raises(UserError, match="at most 783 bytes each"):
        _read(tmp_path)


def test_a_folder_of_several_files_needs_a_name(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_medmnist(tmp_path / name)
    with pytest.raises(UserError, match=r"holds 2 .npz files; name one in dataset.reader.file"):
        _read(tmp_path)
    assert len(_read(tmp_path, file="b.npz")) == 12


@cache
def _whole() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays_of((4, 4)))
    return buffer.getvalue()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=3),
    st.floats(0, 1),
    st.binary(max_size=300) | st.none(),
)
def test_damaged_files_and_random_bytes_give_an_error_or_images(
    tmp_path: Path, changes: list[tuple[float, bytes]], kept: float, instead: bytes | None
) -> None:
    spoilt = bytearray(_whole() if instead is None else instead)
    for where, piece in changes if spoilt else []:
        start = int(where * len(spoilt))
        spoilt[start : start + len(piece)] = piece
    (tmp_path / "a.npz").write_bytes(spoilt[: round(kept * len(spoilt))] if kept < 0.3 else spoilt)
    try:
        records = _read(tmp_path)
    except UserError:
        return
    assert len(records) == 12
    for record in records:
        assert _load(record.content).array.size > 0


def test_adrenal_glands() -> None:
    source = shared_data("medmnist_small")
    names = {0: "normal", 1: "hyperplasia"}
    records = _read(source, file="adrenalmnist3d.npz", names=names)
    counts = {
        (split, label): sum(r.split == split and r.label == label for r in records)
        for split in ("train", "validation", "test")
        for label in names.values()
    }
    assert list(counts.values()) == [929, 259, 76, 22, 229, 69]
    with np.load(source / "adrenalmnist3d.npz") as arrays:
        first, last = arrays["train_images"][0], arrays["test_images"][-1]
    for record, expected in ((records[0], first), (records[-1], last)):
        loaded = _load(record.content)
        np.testing.assert_array_equal(loaded.array, expected, strict=True)
        assert loaded.spacing == (1.0, 1.0, 1.0)
        np.testing.assert_array_equal(decode_nifti(encode_nifti(loaded.array, loaded.spacing))[0], expected)


SCRIPT = """
import sys
from pathlib import Path
from medgraft.data.readers import medmnist
from medgraft.data.readers.medmnist import MedmnistSettings, read
import scipy.ndimage
def peak():  # not getrusage's, which begins with what the parent held
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024
before = peak()
records = list(read(Path(sys.argv[1]), MedmnistSettings(type="medmnist", file="adrenalmnist3d_64.npz")))
voxels = sum(record.content.load(10**6).array.size for record in records)
print(len(records), voxels, peak() - before)
"""


def test_a_large_file_is_read_in_little_memory() -> None:
    """415 MB of voxels, none of them held longer than their own record is looked at."""
    source = shared_data("medmnist_small")
    done = subprocess.run([sys.executable, "-c", SCRIPT, source], capture_output=True, text=True, check=True)
    records, voxels, grown = map(int, done.stdout.split())
    assert (records, voxels) == (1584, 1584 * 64**3)
    assert grown < 60, f"{grown} MB"
