import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from medgraft.data.readers import Record
from medgraft.data.readers.manifest import ManifestSettings, read
from medgraft.errors import UserError


def _settings(**changes: Any) -> ManifestSettings:  # noqa: ANN401
    base = {"type": "manifest", "table": "t.csv", "path": "file", "label": "finding", "group": "patient"}
    return ManifestSettings(**(base | changes))


def _read(folder: Path, text: str, **changes: Any) -> list[Record]:  # noqa: ANN401
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return list(read(folder, _settings(**changes)))


def test_rows_become_records(tmp_path: Path) -> None:
    text = "file,patient,finding,set,site,age\na.png, p1 ,lesion,val,A,61\nb.png,,,,B,\n"
    options = {"split": "set", "split_values": {"val": "validation"}, "subgroups": ["site", "age"]}
    assert _read(tmp_path, text, **options) == [
        Record("t.csv row 1", tmp_path / "a.png", "lesion", "p1", "validation", {"site": "A", "age": 61}),
        Record("t.csv row 2", tmp_path / "b.png", None, None, None, {"site": "B", "age": None}),
    ]


def test_numbers_stay_text_where_they_are_names(tmp_path: Path) -> None:
    [record] = _read(tmp_path, "file,patient,finding\n007.png,0012,1\n")
    assert (record.file, record.group, record.label) == (tmp_path / "007.png", "0012", "1")


def test_paths_from_a_pattern(tmp_path: Path) -> None:
    text = "id,side,patient,finding\n7,left,p,x\n,left,p,x\n"
    first, second = _read(tmp_path, text, path="images/{id}_{side}.png")
    assert first.file == tmp_path / "images" / "7_left.png"
    assert (second.file, second.problem) == (None, "the path is empty or leads out of the source")


@pytest.mark.parametrize("column", ["file.name", "Image Index", "file[0]", "0"])
def test_any_column_name_will_do(tmp_path: Path, column: str) -> None:
    [record] = _read(tmp_path, f"{column},patient,finding\na.png,p,x\n", path=column)
    assert record.file == tmp_path / "a.png"


@pytest.mark.parametrize("pattern", ["{", "images/{}.png", "{a}}", "{a{b}}"])
def test_broken_patterns_are_refused_before_anything_is_read(pattern: str) -> None:
    with pytest.raises(ValidationError, match="each pair of braces must hold the name of a column"):
        _settings(path=pattern)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "a/../../x.png", "link/x.png"])
def test_paths_stay_inside_the_source(tmp_path: Path, path: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "link").symlink_to(tmp_path)
    [record] = _read(source, f"file,patient,finding\n{path},p,x\n")
    assert record.file is None
    assert record.problem == "the path is empty or leads out of the source"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("finding", "test labels are sealed"),
        ("patient", "patient ids are never written"),
        ("file", "file names may tell"),
    ],
)
def test_secrets_are_no_subgroups(secret: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _settings(subgroups=["site", secret])
    if secret == "file":
        with pytest.raises(ValidationError, match=why):
            _settings(path="images/{file}.png", subgroups=["file"])


def test_every_missing_column_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 problems in t\.csv") as caught:
        _read(tmp_path, "files,pateint,findings\n")
    for wanted, there in (("file", "files"), ("patient", "pateint"), ("finding", "findings")):
        assert f"no column '{wanted}' (did you mean '{there}'?); the table has: files, pateint, findings" in str(
            caught.value
        )


def test_words_that_are_no_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t.csv row 2: 'val' is not a split; .*split_values"):
        _read(tmp_path, "file,patient,finding,set\na,p,x,train\nb,p,x,val\n", split="set")


@pytest.mark.parametrize(("content", "name"), [(b"", "t.csv"), (b"\xff\xfe\x00a\x00", "t.csv"), (b"PAR1", "t.parquet")])
def test_tables_that_cannot_be_read(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        list(read(tmp_path, _settings(table=name)))
    with pytest.raises(UserError, match="does not exist"):
        list(read(tmp_path, _settings(table="none.csv")))


def test_parquet_tables_and_the_kinds_of_their_columns(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "file": ["a.png", "b.png"],
            "patient": [17, 18],
            "finding": [0, 1],
            "weight": [60.5, float("nan")],
            "smoker": [True, None],
            "day": [datetime.date(2020, 1, 1), None],
            "age": pl.Series([61, None], dtype=pl.Int16),
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    settings = _settings(table="t.parquet", subgroups=["weight", "smoker", "day", "age"])
    first, second = read(tmp_path, settings)
    assert (first.group, first.label) == ("17", "0")
    assert first.subgroups == {"weight": 60.5, "smoker": "true", "day": "2020-01-01", "age": 61}
    assert second.subgroups == {"weight": None, "smoker": None, "day": None, "age": None}


def test_text_numbers_are_numbers_and_never_nan(tmp_path: Path) -> None:
    text = "file,patient,finding,a,b,c\nx,p,l,1,0.5,1\nx,p,l,-2,NaN,x\nx,p,l,,inf,\n"
    records = _read(tmp_path, text, subgroups=["a", "b", "c"])
    assert [dict(record.subgroups) for record in records] == [
        {"a": 1, "b": 0.5, "c": "1"},
        {"a": -2, "b": None, "c": "x"},
        {"a": None, "b": None, "c": None},
    ]


def test_grouped_means_there_is_a_patient_column() -> None:
    assert _settings().grouped
    assert not _settings(group=None).grouped
    assert _settings(subgroups=["site"]).subgroup_columns == ["site"]
