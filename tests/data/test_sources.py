"""Wherever a source lies, what arrives is what lies there, once, and nothing else; secrets are in no message."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.data.archiving import COMPRESS, make_archive, make_zip
from tests.data.sourcing import ENTRIES, FILES, PNG, SECRET, assert_refused, edited, files_of, linked

from medgraft.artifacts import read_json, write_json
from medgraft.data import medmnist_download, sources
from medgraft.data.sources import Source, check_source, open_source


# Sources on this disk.
def test_a_folder_or_a_file_of_arrays_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("set.npz", "set.h5", "set.parquet", "SET.HDF5"):
        (tmp_path / name).write_bytes(b"x")
    for path in (tmp_path, *tmp_path.iterdir()):
        for uri in (str(path), f"file://{path}"):
            check_source(uri)
            assert open_source(uri, tmp_path / "cache") == Source(path, [])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["x.zip", *COMPRESS])
def test_an_archive_is_unpacked_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(make_archive(name, ENTRIES))
    check_source(str(tmp_path / name))
    source = open_source(str(tmp_path / name), tmp_path / "cache")
    assert files_of(source) == FILES
    assert (source.refused, source.members, source.junk) == ([("archive member 3", "an absolute path")], 4, 1)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [source.path.parent.name]

    def never(*_: object) -> None:
        raise AssertionError("unpacked twice")

    monkeypatch.setattr(sources, "unpack", never)
    shutil.copyfile(tmp_path / name, tmp_path / f"other_{name}")
    assert open_source(str(tmp_path / f"other_{name}"), tmp_path / "cache") == source


def _another_manifest(files: Path) -> None:
    manifest = read_json(files.parent / "manifest.json")
    write_json(files.parent / "manifest.json", manifest | {"files": list(manifest["files"])})


TAMPERING: list[Callable[[Path], Any]] = [
    edited,
    linked,
    _another_manifest,
    lambda files: (files / "a" / "one.png").unlink(),
    lambda files: (files / "more.png").write_bytes(PNG),
    lambda files: (files / "folder").symlink_to("/etc"),
    lambda files: (files.parent / "manifest.json").unlink(),
    lambda files: (files.parent / "manifest.json").write_text("{"),
    lambda files: (files.parent / "manifest.json").write_text("[]"),
]


@pytest.mark.parametrize("tamper", TAMPERING)
def test_what_was_tampered_with_is_unpacked_anew(tamper: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(make_zip(ENTRIES))
    source = open_source(str(tmp_path / "x.zip"), tmp_path / "cache")
    tamper(source.path)
    assert open_source(str(tmp_path / "x.zip"), tmp_path / "cache") == source
    assert files_of(source) == FILES
    assert not any(p.is_symlink() for p in source.path.rglob("*"))


def test_a_kill_while_unpacking_leaves_nothing_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(make_zip(ENTRIES))

    def killed(archive: Path, out: Path) -> None:
        (out / "half.png").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sources, "unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            open_source(str(tmp_path / "x.zip"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert files_of(open_source(str(tmp_path / "x.zip"), tmp_path / "cache")) == FILES


def test_local_sources_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    (tmp_path / "x.7z").write_bytes(b"7z")
    for name, told in (
        ("none", "does not exist; correct the path"),
        ("none.zip", "does not exist; correct the path"),
        ("x.zip", "the archive cannot be read"),
        ("x.7z", "is neither a folder nor one of .zip, "),
    ):
        assert_refused(str(tmp_path / name), tmp_path / "cache", told)


# DVC.
@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repository")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        patch.setenv("DVC_NO_ANALYTICS", "1")

        def run(*command: str) -> None:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)

        for name, raw in FILES.items():
            path = folder / "data" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        run("git", "init", "--quiet")
        run(sys.executable, "-m", "dvc", "init", "--quiet")
        run(sys.executable, "-m", "dvc", "add", "--quiet", "data/images")
        run("git", "add", "--all")
        run("git", *identity, "commit", "--quiet", "--message", "first")
        run("git", "tag", "v1")
        shutil.rmtree(folder / "data" / "images")
        yield folder


def test_dvc_in_the_working_directory(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    check_source("dvc://data/images")
    source = open_source("dvc://data/images", tmp_path)
    assert files_of(source) == FILES
    assert files_of(open_source("dvc://data/images", tmp_path)) == FILES


def test_dvc_in_another_repository_and_revision(repository: Path, tmp_path: Path) -> None:
    uri = f"dvc://data/images?repo={repository}&rev=v1"
    source = open_source(uri, tmp_path)
    assert files_of(source) == FILES
    before = [p.stat().st_ino for p in sorted(source.path.rglob("*"))]
    open_source(uri, tmp_path)
    assert [p.stat().st_ino for p in sorted(source.path.rglob("*"))] == before  # nothing was fetched again


def test_dvc_sources_that_cannot_be_read(repository: Path, tmp_path: Path) -> None:
    for query, told in (
        (f"?repo={repository}&rev=none", r"cannot be read \(RevError\)"),
        (f"?repo={tmp_path}/none&rev={SECRET}", r"cannot be read \(CloneError\)"),
        (f"?repo={repository}&token={SECRET}", "unknown after `.`: token; allowed: repo, rev"),
    ):
        assert_refused(f"dvc://data/images{query}", tmp_path / "cache", told)
    assert_refused(
        f"dvc://data/none?repo={repository}", tmp_path / "cache", r"does not exist \(or was never pushed: `dvc push`\)"
    )


# Others.
def test_protocols_that_nothing_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for uri, told in (
        (f"nowhere://user:{SECRET}@x", "nowhere:// is not understood here; give a folder, a .zip or .tar, s3://"),
        (f"zip://a.png::s3://user:{SECRET}@x/y.zip", "chained addresses"),
        ("abfs://container/x", "abfs:// needs more than is installed; install the package that fsspec needs for it"),
        ("tar://", "tar:// is not understood here"),
    ):
        assert_refused(uri, tmp_path, told)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"].__dict__["_registry"], "s3", raising=False)
    assert_refused("s3://x/y", tmp_path, r"needs more than is installed; install `pip install 'medgraft\[s3\]'`")


def test_medmnist_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medmnist_download, "fetch", lambda name, size, cache: cache / f"{name} {size}")
    check_source("medmnist:adrenalmnist3d@64")
    assert open_source("medmnist:adrenalmnist3d@64", tmp_path) == Source(tmp_path / "adrenalmnist3d 64", [])
    assert_refused("medmnist:../x", tmp_path, "write it as medmnist:<name>")
