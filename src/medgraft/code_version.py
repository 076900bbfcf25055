"""Which code made an artifact: a hash over the rooms a stage imports and the libraries installed with it."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = Path(__file__).parent
PLUGIN_GROUPS = ("medgraft.readers", "medgraft.methods", "medgraft.strategies")


@cache
def code_version(rooms: tuple[str, ...]) -> str:
    """16 hex digits over the source files of `rooms` (files or folders in the package) and library versions.

    The versions are those installed, not those of the lock: what runs is what counts.
    """
    digest = hashlib.sha256()
    for path in sorted(source_files(rooms)):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    for name in sorted(_dependencies()):
        digest.update(f"{name}=={version(name)}".encode())
    for plugin in sorted(_plugins()):
        digest.update(plugin.encode())
    return digest.hexdigest()[:16]


def source_files(rooms: Iterable[str]) -> set[Path]:
    """Every source file of the rooms (Python, templates), without caches."""
    found: set[Path] = set()
    for room in rooms:
        path = PACKAGE / room
        files = [path] if path.is_file() else list(path.rglob("*"))
        if not files:
            raise ValueError(f"no source files in the room {room}")
        found |= {f for f in files if f.is_file() and "__pycache__" not in f.parts}
    return found


def _plugins() -> set[str]:
    """Of packages that add readers, methods or strategies: each one's version, and its Python files.

    The files too, because a package that is being worked on keeps its version.
    """
    points = [point for group in PLUGIN_GROUPS for point in entry_points(group=group)]
    versions = {f"{point.dist.name}=={point.dist.version}" for point in points if point.dist is not None}
    return versions | {line for point in points for line in _python_files(point.module.partition(".")[0])}


def _python_files(package: str) -> Iterator[str]:
    """Path and hash of each file of a topmost package or module; nothing of one that is not there to be imported."""
    spec = find_spec(package)
    if spec is None:
        return
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    found = [(path, path.relative_to(folder)) for folder in folders for path in folder.rglob("*.py")]
    if not folders and spec.origin is not None:
        found = [(Path(spec.origin), Path())]
    for path, place in found:
        yield f"{package} {place.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _dependencies() -> list[str]:
    try:
        listed = requires("medgraft") or []
    except PackageNotFoundError as error:
        raise RuntimeError("medgraft is not installed; run `pip install -e .`") from error
    requirements = [Requirement(text) for text in listed]
    return [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
