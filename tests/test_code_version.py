import re
import shutil
from pathlib import Path

import pytest

from medgraft import code_version as module
from medgraft.code_version import code_version, source_files
from medgraft.stages import STAGES


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files a test may change."""
    copy = tmp_path / "medgraft"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    return copy


def _version(rooms: tuple[str, ...]) -> str:
    code_version.cache_clear()
    try:
        return code_version(rooms)
    finally:
        code_version.cache_clear()


def test_only_changes_in_the_rooms_count(package: Path) -> None:
    rooms = ("data", "seeds.py")
    before = _version(rooms)
    assert re.fullmatch(r"[0-9a-f]{16}", before)
    (package / "store.py").write_text("# elsewhere\n")
    (package / "data" / "__pycache__").mkdir()
    (package / "data" / "__pycache__" / "images.pyc").write_bytes(b"x")
    assert _version(rooms) == before
    with (package / "data" / "readers" / "folder.py").open("a") as stream:
        stream.write("# deep inside\n")
    changed = _version(rooms)
    assert changed != before
    (package / "data" / "new.py").write_text("")
    assert _version(rooms) not in (before, changed)


def test_a_room_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no source files in the room datta"):
        source_files(["data", "datta"])


def test_a_change_in_a_plug_in_counts_though_its_version_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _version(("seeds.py",))
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[medgraft.strategies]\nslow = my_package.deep.slow:slow\n")
    deep = tmp_path / "my_package" / "deep"
    deep.mkdir(parents=True)
    (deep / "slow.py").write_text("rate = 0.01\n")
    (deep / "weights.safetensors").write_bytes(b"large")
    monkeypatch.syspath_prepend(tmp_path)
    added = _version(("seeds.py",))
    assert added != before
    (deep / "weights.safetensors").write_bytes(b"other")
    assert _version(("seeds.py",)) == added
    (deep / "slow.py").write_text("rate = 0.02\n")
    changed = _version(("seeds.py",))
    assert changed not in (before, added)
    (deep / "slow.py").rename(deep.parent / "slow.py")
    assert _version(("seeds.py",)) != changed
    (tmp_path / "my_package").rename(tmp_path / "elsewhere")
    (tmp_path / "my_package.py").write_text("slow = None\n")
    module_alone = _version(("seeds.py",))
    (tmp_path / "my_package.py").write_text("slow = 1\n")
    assert len({before, added, changed, module_alone, _version(("seeds.py",))}) == 5


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_names_rooms_that_exist(name: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", code_version(STAGES[name].code))
