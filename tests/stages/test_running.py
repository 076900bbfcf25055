from collections.abc import Callable
from pathlib import Path

import pytest

from medgraft.artifacts import read_card, write_card
from medgraft.stages.running import produce
from medgraft.store import Store

PRINTS = {"dataset": "a" * 32, "sealed": "b" * 32}


@pytest.fixture
def outs(tmp_path: Path) -> dict[str, Path]:
    return {kind: tmp_path / "artifacts" / kind for kind in PRINTS}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def _build(value: str, prints: dict[str, str] = PRINTS) -> Callable[[dict[str, Path]], None]:
    def build(folders: dict[str, Path]) -> None:
        for kind, folder in folders.items():
            (folder / "value").write_text(value)
            write_card(folder, kind, prints[kind], {})

    return build


def _never(folders: dict[str, Path]) -> None:
    raise AssertionError("built again")


def test_built_then_up_to_date_then_restored(outs: dict[str, Path], store: Store) -> None:
    assert produce(outs, PRINTS, store, _build("1")) == "built"
    assert produce(outs, PRINTS, store, _never) == "up to date"
    for out in outs.values():
        (out / "card.json").unlink()
    assert produce(outs, PRINTS, store, _never) == "restored"
    assert [read_card(out, kind)["fingerprint"] for kind, out in outs.items()] == list(PRINTS.values())


def test_other_inputs_are_built_and_the_old_result_is_kept(outs: dict[str, Path], store: Store) -> None:
    other = {"dataset": "c" * 32, "sealed": "d" * 32}
    produce(outs, PRINTS, store, _build("1"))
    assert produce(outs, other, store, _build("2", other)) == "built"
    assert {(out / "value").read_text() for out in outs.values()} == {"2"}
    assert produce(outs, PRINTS, store, _never) == "restored"
    assert {(out / "value").read_text() for out in outs.values()} == {"1"}


def test_a_damaged_result_is_built_again(outs: dict[str, Path], store: Store, tmp_path: Path) -> None:
    produce(outs, PRINTS, store, _build("1"))
    (outs["sealed"] / "card.json").unlink()
    (tmp_path / "store" / "results" / PRINTS["sealed"] / "value").write_text("x")
    assert produce(outs, PRINTS, store, _build("1")) == "built"


@pytest.mark.parametrize("before", [False, True])
def test_a_failure_leaves_everything_as_it_was(
    outs: dict[str, Path], store: Store, tmp_path: Path, before: bool
) -> None:
    if before:
        produce(outs, PRINTS, store, _build("1"))
    state = sorted(p for p in tmp_path.rglob("*") if p.is_file())

    def fail(folders: dict[str, Path]) -> None:
        _build("2")({"dataset": folders["dataset"]})
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        produce(outs, dict.fromkeys(PRINTS, "e" * 32), store, fail)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == state
    assert not list(tmp_path.rglob(".*"))
