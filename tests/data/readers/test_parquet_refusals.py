"""Settings that cannot be, and files that are no source: each one clear error."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.data.readers.parquets import asked, plain, read_records
from tests.data.sources import encoded, noise

from medgraft.errors import UserError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "name either the column with the class in `label`, or the classes in `labels`"),
        ({"label": "a", "labels": ["b"]}, "name either the column"),
        ({"labels": ["b", "b"]}, "names a class twice"),
        ({"label": "a", "lists": "b"}, "means something with `labels`"),
        ({"labels": ["a"], "negative": "b"}, "`negative` with `lists`"),
        ({"label": "a", "split": "b", "split_in_name": True}, "excludes `split`"),
        ({"label": "a", "subgroups": ["a"]}, "test labels are sealed"),
        ({"labels": ["a"], "lists": "b", "subgroups": ["b"]}, "test labels are sealed"),
        ({"label": "a", "group": "b", "subgroups": ["b"]}, "patient ids are never written"),
        ({"label": "a", "study": "b", "dates": ["b"]}, "ids of studies are never written"),
        ({"label": "a", "subgroups": ["image"]}, "images are kept anyway"),
        ({"label": "a", "subgroups": ["b"], "dates": ["b"]}, "would be kept as it is"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        asked(**change)


def test_what_the_settings_tell() -> None:
    told = asked(labels=["x"], group="g", subgroups=["s"], dates=["d"])
    assert (told.grouped, told.labels) == (True, ["x"])
    assert (told.subgroup_columns, told.date_columns) == (["s", "d"], ["d"])
    assert not asked(label="x").grouped


@pytest.mark.parametrize(
    ("columns", "change", "message"),
    [
        (
            {"images": [b""], "label": [0]},
            {},
            r"no column 'image' \(did you mean 'images'\?\); the file has: images, label",
        ),
        ({"image": ["a.png"], "label": [0]}, {}, r"column 'image' is string, not {bytes, path} or bytes"),
        ({"image": [{"path": "a.png"}], "label": [0]}, {}, "column 'image' is struct<path: string>, not {bytes, path}"),
        (
            {"image": [b""], "many": [0]},
            {"label": None, "labels": ["x"], "lists": "many"},
            "'many' is int64, not lists",
        ),
        ({"image": [b""], "label": [0]}, {"split_in_name": True}, "'a' is not a split"),
        ({"image": [b""], "label": [0]}, {"files": "b*.parquet"}, r"no file b\*.parquet"),
        ({"image": [b""], "label": [0]}, {"files": "/*.parquet"}, "no pattern below the source"),
        ({"image": [b""], "label": [0]}, {"files": "../*.parquet"}, "no file"),
    ],
)
def test_sources_that_do_not_fit(tmp_path: Path, columns: dict[str, Any], change: dict[str, Any], message: str) -> None:
    plain(tmp_path / "source" / "a.parquet", columns)
    plain(tmp_path / "outside.parquet", columns)
    asked = {"label": "label"} | change
    with pytest.raises(UserError, match=message):
        read_records(tmp_path / "source", **{name: value for name, value in asked.items() if value is not None})


def test_files_of_other_types_are_told(tmp_path: Path) -> None:
    plain(tmp_path / "a.parquet", {"image": [b""], "label": [0]})
    plain(tmp_path / "b.parquet", {"image": [b""], "label": ["x"]})
    with pytest.raises(UserError, match="column 'label' is int64 and string in the files"):
        read_records(tmp_path, label="label")


@pytest.mark.parametrize("raw", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"text" * 100])
def test_what_is_no_parquet(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "MRN-123.parquet").write_bytes(raw)
    with pytest.raises(UserError, match=r"a Parquet file of dataset.source cannot be read") as caught:
        read_records(tmp_path, label="label")
    assert "MRN" not in str(caught.value)


def test_notes_that_are_no_notes_are_ignored(tmp_path: Path) -> None:
    for number, note in enumerate(["{", "[]", '{"info": {"features": [1]}}', '{"info": {"features": {"label": 1}}}']):
        schema = pa.schema([("image", pa.binary()), ("label", pa.int64())], metadata={"huggingface": note})
        pq.write_table(pa.table({"image": [b""], "label": [1]}, schema), tmp_path / f"{number}.parquet")
    assert [r.label for r in read_records(tmp_path, label="label")] == ["1"] * 4


def _whole() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": [encoded(noise(n)) for n in range(5)], "label": [0, 1, 0, 1, 0]}), buffer)
    return buffer.getvalue()


WHOLE = _whole()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_one_clear_error(tmp_path: Path, kept: float) -> None:
    (tmp_path / "a.parquet").write_bytes(WHOLE[: int(kept * len(WHOLE))])
    with pytest.raises(UserError, match="cannot be read"):
        read_records(tmp_path, label="label")
