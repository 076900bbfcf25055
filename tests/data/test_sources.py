"""Wherever a source lies, what arrives is what lies there, once, and nothing else; secrets are in no message."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import fsspec
import pytest
import requests
from moto.server import ThreadedMotoServer
from tests.data.archiving import COMPRESS, Entry, make_archive, make_zip
from tests.data.sources import encoded, noise

from medgraft.artifacts import read_json, write_json
from medgraft.data import medmnist_download, mirror, sources
from medgraft.data.members import Caps
from medgraft.data.sources import Source, check_source, open_source
from medgraft.errors import UserError

BUCKET, SECRET = "images", "wJalrXUtnFEMI"
PNG = encoded(noise(1))
ENTRIES = [Entry("a/one.png", PNG), Entry("b/two.png", encoded(noise(2))), Entry("/evil.png", PNG), Entry(".DS_Store")]
FILES = {"a/one.png": PNG, "b/two.png": encoded(noise(2))}
MEMORY = "memory://bucket/set"


def _files(source: Source) -> dict[str, bytes]:
    return {p.relative_to(source.path).as_posix(): p.read_bytes() for p in source.path.rglob("*") if not p.is_dir()}


def _refuses(uri: str, cache: Path, told: str, check: bool = True) -> None:
    looks: list[Callable[[], object]] = [partial(open_source, uri, cache)]
    looks += [partial(check_source, uri)] if check else []
    for look in looks:
        with pytest.raises(UserError, match=told) as caught:
            look()
        assert SECRET not in str(caught.value)


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
    assert _files(source) == FILES
    assert (source.refused, source.members, source.junk) == ([("archive member 3", "an absolute path")], 4, 1)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [source.path.parent.name]

    def never(*_: object) -> None:
        raise AssertionError("unpacked twice")

    monkeypatch.setattr(sources, "unpack", never)
    shutil.copyfile(tmp_path / name, tmp_path / f"other_{name}")
    assert open_source(str(tmp_path / f"other_{name}"), tmp_path / "cache") == source


def _edited(files: Path) -> None:
    (files / "a" / "one.png").write_bytes(PNG[:-1] + b"x")


def _linked(files: Path) -> None:
    (files / "a" / "one.png").unlink()
    (files / "a" / "one.png").symlink_to("/etc/passwd")


def _another_manifest(files: Path) -> None:
    manifest = read_json(files.parent / "manifest.json")
    write_json(files.parent / "manifest.json", manifest | {"files": list(manifest["files"])})


TAMPERING: list[Callable[[Path], Any]] = [
    _edited,
    _linked,
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
    assert _files(source) == FILES
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
    assert _files(open_source(str(tmp_path / "x.zip"), tmp_path / "cache")) == FILES


def test_local_sources_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    (tmp_path / "x.7z").write_bytes(b"7z")
    for name, told in (
        ("none", "does not exist; correct the path"),
        ("none.zip", "does not exist; correct the path"),
        ("x.zip", "the archive cannot be read"),
        ("x.7z", "is neither a folder nor one of .zip, "),
    ):
        _refuses(str(tmp_path / name), tmp_path / "cache", told)


# Sources elsewhere, as one filesystem in memory shows them.
@pytest.fixture
def memory() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def test_objects_with_names_that_no_file_may_have_are_refused(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    keys = ["a.png", "../up.png", "/abs.png", "b\\c.png", ".DS_Store", "e//f.png", "e/f.png"]
    for key in keys:
        memory.store[f"/bucket/set/{key}"] = fsspec.implementations.memory.MemoryFile(data=key.encode())
    source = open_source(MEMORY, tmp_path)
    assert sorted(_files(source)) == ["a.png", "e/f.png"]
    places = sorted(keys)
    assert dict(source.refused) == {
        f"object {places.index(key) + 1}": why
        for key, why in (
            ("../up.png", "a path that leads out of the source"),
            ("/abs.png", "an absolute path"),
            ("b\\c.png", "an unsafe name (backslash or drive letter)"),
            ("e/f.png", "a name that an earlier member has"),
        )
    }
    assert (source.members, source.junk) == (len(keys), 1)
    assert {p.name for p in tmp_path.iterdir()} == {source.path.parent.name}


def test_a_copy_that_was_interrupted_goes_on(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    for number in range(5):
        memory.pipe(f"/bucket/set/{number}.png", bytes([number]))
    fetched: list[str] = []
    real = type(memory).get_file

    def counting(self: object, key: str, target: str, **_: object) -> None:
        fetched.append(key[-5])
        if len(fetched) == 4:
            raise KeyboardInterrupt
        real(self, key, target)

    monkeypatch.setattr(type(memory), "get_file", counting)
    monkeypatch.setattr(mirror, "BATCH", 1)
    with pytest.raises(KeyboardInterrupt):
        open_source(MEMORY, tmp_path)
    assert len(_files(open_source(MEMORY, tmp_path))) == 5
    assert fetched == list("0123") + list("34")


def test_what_was_changed_in_the_copy_is_fetched_again(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    memory.pipe({f"/bucket/set/{name}": raw for name, raw in FILES.items()})
    source = open_source(MEMORY, tmp_path)
    for tamper in (_edited, _linked, lambda files: (files / "c").mkdir(), lambda files: (files / "x").write_text("x")):
        tamper(source.path)
        assert _files(open_source(MEMORY, tmp_path)) == FILES
        assert not any(p.is_symlink() for p in source.path.rglob("*"))
    assert sorted(p.name for p in source.path.iterdir()) == ["a", "b"]
    memory.rm("/bucket/set/a/one.png")
    memory.pipe("/bucket/set/a", b"now a file")
    assert _files(open_source(MEMORY, tmp_path)) == {"a": b"now a file", "b/two.png": FILES["b/two.png"]}


def test_more_than_the_caps_is_one_error(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    memory.pipe({f"/bucket/set/{number}.png": b"12345" for number in range(3)})
    for caps, told in (
        (Caps(members=2), "more than 2 members"),
        (Caps(total=14), "more than 14 bytes"),
        (Caps(reserve=2**60), "make room"),
    ):
        with pytest.raises(UserError, match=told):
            mirror.mirror(MEMORY, tmp_path, caps)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_an_archive_on_the_web(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "set.zip").write_bytes(make_zip(ENTRIES))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "web"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        check_source(f"{address}/set.zip?signature={SECRET}")
        assert _files(open_source(f"{address}/set.zip?signature={SECRET}", tmp_path / "cache")) == FILES
        _refuses(f"{address}/none.zip?signature={SECRET}", tmp_path / "cache", "does not exist; correct the address")
        server.shutdown()


# S3.
@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)


def _put(s3: Any, **objects: bytes) -> None:  # noqa: ANN401
    for key, raw in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=raw)


def test_a_bucket_is_copied_and_kept_up_to_date(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    _put(s3, **{f"set/{name}": raw for name, raw in FILES.items()}, **{"set/a/": b"", "set2/other.png": PNG})
    _put(s3, **{"set/c": b"a file", "set/c/d": b"and a folder"})
    uri = f"s3://{BUCKET}/set"
    check_source(uri)
    source = open_source(uri, tmp_path)
    assert _files(source) == FILES | {"c": b"a file"}
    assert (source.refused, source.members) == ([("object 5", "a name that an earlier member has")], 5)

    fetched: list[str] = []
    real = mirror._fetch

    def counting(filesystem: Any, batch: Sequence[mirror._Object], partial: Path) -> list[Path]:  # noqa: ANN401
        fetched.extend(str(item.path) for item in batch)
        return real(filesystem, batch, partial)

    monkeypatch.setattr(mirror, "_fetch", counting)
    assert open_source(uri, tmp_path) == source
    assert fetched == []
    changed = encoded(noise(3))
    _put(s3, **{"set/a/one.png": changed, "set/c.png": PNG})
    for key in ("set/b/two.png", "set/c", "set/c/d"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert _files(open_source(uri, tmp_path)) == {"a/one.png": changed, "c.png": PNG}
    assert fetched == ["a/one.png", "c.png"]


def test_an_archive_in_a_bucket(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    _put(s3, **{"set.zip": make_zip(ENTRIES), "set.npz": b"x", "set.7z": b"x"})
    source = open_source(f"s3://{BUCKET}/set.zip", tmp_path)
    assert _files(source) == FILES
    assert (source.refused, source.members) == ([("archive member 3", "an absolute path")], 4)
    assert open_source(f"s3://{BUCKET}/set.npz", tmp_path).path.read_bytes() == b"x"
    _refuses(f"s3://{BUCKET}/set.7z", tmp_path, "is neither a folder nor one of", check=False)


def test_a_bucket_or_prefix_that_is_not_there(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    for uri in (f"s3://{BUCKET}/none", "s3://no-such-bucket/x"):
        _refuses(uri, tmp_path, "does not exist; correct the address")


def test_credentials_that_fail_are_not_told(
    s3: Any,  # noqa: ANN401
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _put(s3, **{"set/a.png": PNG})
    uri = f"s3://{BUCKET}/set"
    requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=10)
    try:
        _refuses(uri, tmp_path, r"cannot be read \(PermissionError\); check the address, the network, the credentials")
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data="inf", timeout=10)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    _refuses(uri, tmp_path, r"cannot be read \(NoCredentialsError\); check the address, the network, the credentials")


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
    assert _files(source) == FILES
    assert _files(open_source("dvc://data/images", tmp_path)) == FILES


def test_dvc_in_another_repository_and_revision(repository: Path, tmp_path: Path) -> None:
    uri = f"dvc://data/images?repo={repository}&rev=v1"
    source = open_source(uri, tmp_path)
    assert _files(source) == FILES
    before = [p.stat().st_ino for p in sorted(source.path.rglob("*"))]
    open_source(uri, tmp_path)
    assert [p.stat().st_ino for p in sorted(source.path.rglob("*"))] == before  # nothing was fetched again


def test_dvc_sources_that_cannot_be_read(repository: Path, tmp_path: Path) -> None:
    for query, told in (
        (f"?repo={repository}&rev=none", r"cannot be read \(RevError\)"),
        (f"?repo={tmp_path}/none&rev={SECRET}", r"cannot be read \(CloneError\)"),
        (f"?repo={repository}&token={SECRET}", "unknown after `.`: token; allowed: repo, rev"),
    ):
        _refuses(f"dvc://data/images{query}", tmp_path / "cache", told)
    _refuses(
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
        _refuses(uri, tmp_path, told)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"].__dict__["_registry"], "s3", raising=False)
    _refuses("s3://x/y", tmp_path, r"needs more than is installed; install `pip install 'medgraft\[s3\]'`")


def test_medmnist_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medmnist_download, "fetch", lambda name, size, cache: cache / f"{name} {size}")
    check_source("medmnist:adrenalmnist3d@64")
    assert open_source("medmnist:adrenalmnist3d@64", tmp_path) == Source(tmp_path / "adrenalmnist3d 64", [])
    _refuses("medmnist:../x", tmp_path, "write it as medmnist:<name>")


def test_the_name_of_a_copy_tells_no_secret(memory: Any, tmp_path: Path) -> None:  # noqa: ANN401
    memory.pipe(f"/{SECRET}/a.png", PNG)
    source = open_source(f"memory://{SECRET}", tmp_path)
    assert _files(source) == {"a.png": PNG}
    assert not any(SECRET in os.fspath(p) for p in tmp_path.rglob("*"))
