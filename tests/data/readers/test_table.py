from pathlib import Path

import polars as pl
import pytest

from medgraft.data.readers.table import age, date, first_of, open_table, rows, text
from medgraft.errors import UserError


def _table(folder: Path, content: bytes, name: str = "t.csv") -> list[dict[str, object]]:
    (folder / name).write_bytes(content)
    return open_table(folder, name, ["a", "b"]).to_dicts()


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n",
        b"a\tb\n1\t2\n",
        b"a;b\n1;2\n",
        b' a ,"b "\n1,2\n',
    ],
)
def test_tables_as_programs_save_them(tmp_path: Path, content: bytes) -> None:
    assert _table(tmp_path, content) == [{"a": "1", "b": "2"}]


def test_commas_in_cells_of_a_table_with_tabs(tmp_path: Path) -> None:
    assert _table(tmp_path, b"a\tb\n1,2,3\t4;5\n") == [{"a": "1,2,3", "b": "4;5"}]


def test_a_name_with_signs_of_patterns_is_one_file(tmp_path: Path) -> None:
    assert _table(tmp_path, b"a,b\n1,2\n", "t[1]*.csv") == [{"a": "1", "b": "2"}]


def test_short_rows_are_filled_and_long_ones_refused(tmp_path: Path) -> None:
    assert _table(tmp_path, b"a,b\n1\n") == [{"a": "1", "b": None}]
    with pytest.raises(UserError, match=r"the table 't\.csv' cannot be read"):
        _table(tmp_path, b"a,b\n1,2,3\n")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "t.csv"),
        ("a,b\nSmith,Müller\n".encode("latin-1"), "t.csv"),
        (b'a,b\n"Smith^John,2\n3,4\n', "t.csv"),
        (b"\x1f\x8b\x08\x00Smith", "t.csv"),
        (b"a, a\n1,2\n", "t.csv"),
        (b"PAR1", "t.parquet"),
    ],
)
def test_tables_that_cannot_be_read_are_not_quoted(tmp_path: Path, content: bytes, name: str) -> None:
    with pytest.raises(UserError, match=rf"the table '{name}' cannot be read") as caught:
        _table(tmp_path, content, name)
    assert "Smith" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["none.csv", "../t.csv", "", "link.csv", "."])
def test_tables_that_are_not_in_the_source(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n")
    (source / "link.csv").symlink_to(tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"does not exist in dataset\.source"):
        open_table(source, name, ["a"])


def test_other_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sex,b\nF,2\n")
    assert open_table(tmp_path, "t.csv", ["gender"], also={"sex": "gender"}).columns == ["gender", "b"]
    (tmp_path / "t.csv").write_text("sex,gender\nF,2\n")
    assert open_table(tmp_path, "t.csv", ["gender"], also={"sex": "gender"}).columns == ["sex", "gender"]


def test_columns_become_numbers_where_all_cells_are(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["1", None], "b": ["1", "0.5"], "c": ["1", "x"], "d": [[1], [2]], "e": [b"\xff", b"a"]})
    frame.select("a", "b", "c").write_csv(tmp_path / "t.csv")
    assert open_table(tmp_path, "t.csv", [], ["a", "b", "c"]).rows() == [(1, 1.0, "1"), (None, 0.5, "x")]
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="cannot be read"):
        open_table(tmp_path, "t.parquet", [], ["e"])


def test_first_of(tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()
    (tmp_path / "c.csv").touch()
    assert first_of(tmp_path, ["a.csv", "b.csv", "c.csv"]) == "b.csv"
    with pytest.raises(UserError, match=r"has no file a\.csv or d\.csv"):
        first_of(tmp_path, ["a.csv", "d.csv"])


def test_rows_know_where_they_stand() -> None:
    assert list(rows("t.csv", pl.DataFrame({"a": [7, 8]}))) == [("t.csv row 1", {"a": 7}), ("t.csv row 2", {"a": 8})]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, None),
        ("  ", None),
        (" p1 ", "p1"),
        ("1.0", "1.0"),
        (2.0, "2"),
        (2.5, "2.5"),
        (float("nan"), None),
        (7, "7"),
    ],
)
def test_text(cell: object, expected: str | None) -> None:
    assert text(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("61", 61),
        (61, 61),
        (80.0, 80),
        ("80.0", 80),
        ("058Y", 58),
        ("013M", 1),
        ("009D", 0),
        ("104W", 2),
        ("120", 120),
        ("121", None),
        ("411Y", None),
        ("-5", None),
        ("sixty", None),
        ("", None),
        (None, None),
    ],
)
def test_age(cell: object, expected: int | None) -> None:
    assert age(cell) == expected


def test_dates() -> None:
    assert date("2021-03-04T23:59:00+02:00") == "2021-03-04"
    assert [date(cell) for cell in ("03/04/2021", "2021-02-30", "", None, 7)] == [None] * 5
