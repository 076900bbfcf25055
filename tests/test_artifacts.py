"""Artifacts appear whole or not at all, and a stage refuses what it was not meant to read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.artifacts import (
    SCHEMA_VERSION,
    canonical,
    fingerprint,
    read_card,
    read_json,
    write_card,
    write_json,
    writing,
)
from medgraft.errors import UserError


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "dataset"

    def fail() -> None:
        with writing(out) as folder:
            (folder / "half").write_text("x")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == ["dataset", "dataset/old"]


@pytest.mark.parametrize("before", ["nothing", "folder", "file", "link", "dangling link", "killed write"])
def test_a_write_replaces_whole(tmp_path: Path, before: str) -> None:
    out = tmp_path / "dataset"
    elsewhere = tmp_path / "elsewhere"
    if before in ("folder", "link"):
        (out if before == "folder" else elsewhere).mkdir()
        ((out if before == "folder" else elsewhere) / "old").write_text("old")
    if before in ("link", "dangling link"):
        out.symlink_to(elsewhere)
    if before == "file":
        out.write_text("old")
    if before == "killed write":
        (tmp_path / ".dataset.writing").mkdir()
        (tmp_path / ".dataset.writing" / "half").write_text("x")
    with writing(out) as folder:
        assert list(folder.iterdir()) == []
        (folder / "new").write_text("new")
        assert not (out / "new").exists()
    assert [p.name for p in out.iterdir()] == ["new"]
    assert {p.name for p in tmp_path.iterdir()} <= {"dataset", "elsewhere"}
    if before == "link":
        assert (elsewhere / "old").read_text() == "old"  # what a link points to is not ours


def test_the_wrong_kind_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no dataset artifact in .*make one with `medgraft ingest`"):
        read_card(tmp_path, "dataset")
    write_card(tmp_path, "candidate", "f" * 32, {"dataset": "a"}, name="probe")
    with pytest.raises(UserError, match=r"is a candidate artifact, but a dataset is needed here; .*`medgraft ingest`"):
        read_card(tmp_path, "dataset")
    card = read_card(tmp_path, "candidate")
    assert card["fingerprint"] == "f" * 32
    assert card["made_from"] == {"dataset": "a"}
    assert card["name"] == "probe"
    write_json(tmp_path / "card.json", card | {"schema_version": 99})
    told = rf"schema version 99, this medgraft reads {SCHEMA_VERSION}; .*`medgraft transfer`"
    with pytest.raises(UserError, match=told):
        read_card(tmp_path, "candidate")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_damaged_json_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(UserError, match=r"damaged .* run its stage again"):
        read_json(tmp_path / "card.json")


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "metrics.json", {"auroc": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("inf"))


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False, allow_infinity=False)))
)
def test_equal_params_have_equal_fingerprints(params: dict[str, object]) -> None:
    shuffled = dict(reversed(list(params.items())))
    assert fingerprint("dataset", params, {"a": "1"}, "c") == fingerprint("dataset", shuffled, {"a": "1"}, "c")


def test_everything_that_matters_changes_the_fingerprint() -> None:
    base = fingerprint("dataset", {"a": 1}, {"x": "1"}, "code")
    others = [
        fingerprint("sealed", {"a": 1}, {"x": "1"}, "code"),
        fingerprint("dataset", {"a": 2}, {"x": "1"}, "code"),
        fingerprint("dataset", {"a": 1}, {"x": "2"}, "code"),
        fingerprint("dataset", {"a": 1}, {"x": "1"}, "other"),
    ]
    assert len({base, *others}) == 5
    assert len(base) == 32
