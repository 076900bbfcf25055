from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydantic import ValidationError
from tests.data.containers import gzipped, nifti, values
from tests.shared import shared_data

from medgraft.data.content import BadImageError
from medgraft.data.readers.nifti import NiftiSettings, read
from medgraft.data.readers.reader import Record
from medgraft.data.volumes import NiftiFile

LIMIT = 100_000
TABLE = {"type": "manifest", "table": "t.csv", "path": "{case}.nii.gz", "label": "finding", "group": "patient"}


def _read(source: Path, files: dict[str, Any], **settings: Any) -> list[Record]:
    asked = NiftiSettings(**{"type": "nifti", "files": files, **settings})
    return list(read(source, NiftiSettings(**asked.model_dump())))


def test_volumes_of_a_table(tmp_path: Path) -> None:
    text = "case,patient,finding,set,site\na,p1,tumour,val,A\nb,p2,healthy,,B\n../c,p3,healthy,,B\n"
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "a.nii.gz").write_bytes(gzipped(nifti(values((4, 3, 2), 1), np.diag([-2.0, 1.0, 1.0, 1.0]))))
    files = TABLE | {"split": "set", "split_values": {"val": "validation"}, "subgroups": ["site"]}
    first, second, third = _read(tmp_path, files, spacing=[1, 1, 1])
    spacing = (1.0, 1.0, 1.0)
    assert first == Record(
        "t.csv row 1",
        NiftiFile(tmp_path / "a.nii.gz", spacing),
        "tumour",
        group="p1",
        split="validation",
        subgroups={"site": "A"},
    )
    assert first.content is not None
    loaded = first.content.load(LIMIT)
    assert (loaded.array.shape, loaded.spacing) == ((8, 3, 2), spacing)
    assert second.content == NiftiFile(tmp_path / "b.nii.gz", spacing)
    assert (third.content, third.problem) == (None, "the path is empty or leads out of the source")


def test_volumes_of_folders(tmp_path: Path) -> None:
    for name in ("ill/p1_1.nii", "well/p2_1.nii.gz", "well/p2_1.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(nifti(values((4, 3, 2), 1), np.eye(4)) if "nii" in name else b"{}")
    records = _read(tmp_path, {"type": "folder", "group_pattern": r"(p\d)_"})
    assert [(r.reference, r.label, r.group) for r in records] == [
        ("file 1", "ill", "p1"),
        ("file 2", "well", "p2"),
        ("file 3", "well", "p2"),
    ]
    contents = [r.content for r in records if r.content is not None]
    with pytest.raises(BadImageError, match="not a NIfTI file"):
        contents[1].load(LIMIT)
    for content in (contents[0], contents[2]):
        np.testing.assert_array_equal(content.load(LIMIT).array, values((4, 3, 2), 1))


def test_what_the_files_reader_knows_is_known() -> None:
    asked = {"type": "nifti", "files": TABLE | {"subgroups": ["site"], "dates": ["day"]}}
    settings = NiftiSettings(**asked)
    assert (settings.grouped, settings.labels, settings.subgroup_columns) == (True, None, ["site", "day"])
    assert settings.date_columns == ["day"]
    several = {"type": "manifest", "table": "t.csv", "path": "p", "labels": ["a", "b"]}
    assert NiftiSettings(type="nifti", files=several).labels == ["a", "b"]
    folders = NiftiSettings(type="nifti", files={"type": "folder"})
    assert (folders.grouped, folders.date_columns) == (False, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": {"type": "dicom"}}, "does not match any of the expected tags: 'manifest', 'folder'"),
        ({"files": {"table": "t.csv"}}, "does not match any of the expected tags"),
        ({"files": {"type": "manifest", "table": "t.csv", "label": "x"}}, "path"),
        ({"files": {"type": "folder"}, "spacing": [1, 1]}, "spacing"),
        ({"files": {"type": "folder"}, "spacing": [1, 1, 0]}, "greater than 0"),
        ({"files": {"type": "folder"}, "spacing": [1, 1, "nan"]}, "greater than 0|less than"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NiftiSettings(**{"type": "nifti", **settings})


def test_hippocampi() -> None:
    source = shared_data("msd_hippocampus_3d")
    files = {"type": "manifest", "table": "index.csv", "path": "images/{case_id}.nii.gz", "group": "case_id"}
    records = _read(source, files | {"label": "d0"})
    assert len(records) == 177
    assert len({r.group for r in records}) == 177
    for record in records[::40]:
        assert isinstance(record.content, NiftiFile)
        loaded = record.content.load(LIMIT)
        image = nibabel.as_closest_canonical(nibabel.load(record.content.path))
        np.testing.assert_array_equal(loaded.array, np.asanyarray(image.dataobj), strict=True)
        assert (str(loaded.array.shape[0]), loaded.spacing) == (record.label, image.header.get_zooms())
    halved = _read(source, files | {"label": "d0"}, spacing=[2, 2, 2])[0].content
    assert halved is not None
    loaded = halved.load(LIMIT)
    assert (loaded.array.shape, loaded.spacing, loaded.array.dtype.name) == ((18, 26, 18), (2.0, 2.0, 2.0), "uint8")
