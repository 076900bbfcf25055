"""The copy of a remote source: what lies there and no more, fetched once, gone on with after a kill."""

import os
from collections.abc import Iterator, Sequence
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
from tests.data.archiving import make_zip
from tests.data.sources import encoded, noise
from tests.data.sourcing import ENTRIES, FILES, PNG, SECRET, assert_refused, edited, files_of, linked

from medgraft.data import mirror
from medgraft.data.members import Caps
from medgraft.data.sources import check_source, open_source
from medgraft.errors import UserError

BUCKET = "images"
MEMORY = "memory://bucket/set"


# Sources elsewhere, as one filesystem in memory shows them.
@pytest.fixture
def memory() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def test_objects_with_names_that_no_file_may_have_are_refused(memory: Any, tmp_path: Path) -> None:
    keys = ["a.png", "../up.png", "/abs.png", "b\\c.png", ".DS_Store", "e//f.png", "e/f.png"]
    for key in keys:
        memory.store[f"/bucket/set/{key}"] = fsspec.implementations.memory.MemoryFile(data=key.encode())
    source = open_source(MEMORY, tmp_path)
    assert sorted(files_of(source)) == ["a.png", "e/f.png"]
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


def test_a_copy_that_was_interrupted_goes_on(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert len(files_of(open_source(MEMORY, tmp_path))) == 5
    assert fetched == list("0123") + list("34")


def test_what_was_changed_in_the_copy_is_fetched_again(memory: Any, tmp_path: Path) -> None:
    memory.pipe({f"/bucket/set/{name}": raw for name, raw in FILES.items()})
    source = open_source(MEMORY, tmp_path)
    for tamper in (edited, linked, lambda files: (files / "c").mkdir(), lambda files: (files / "x").write_text("x")):
        tamper(source.path)
        assert files_of(open_source(MEMORY, tmp_path)) == FILES
        assert not any(p.is_symlink() for p in source.path.rglob("*"))
    assert sorted(p.name for p in source.path.iterdir()) == ["a", "b"]
    memory.rm("/bucket/set/a/one.png")
    memory.pipe("/bucket/set/a", b"now a file")
    assert files_of(open_source(MEMORY, tmp_path)) == {"a": b"now a file", "b/two.png": FILES["b/two.png"]}


def test_more_than_the_caps_is_one_error(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        signed = f"{address}/set.zip?signature={SECRET}"
        check_source(signed)
        assert files_of(open_source(signed, tmp_path / "cache")) == FILES
        assert_refused(signed.replace("set", "none"), tmp_path / "cache", "does not exist; correct the address")
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


def _put(s3: Any, **objects: bytes) -> None:
    for key, raw in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=raw)


def test_a_bucket_is_copied_and_kept_up_to_date(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(s3, **{f"set/{name}": raw for name, raw in FILES.items()}, **{"set/a/": b"", "set2/other.png": PNG})
    _put(s3, **{"set/c": b"a file", "set/c/d": b"and a folder"})
    uri = f"s3://{BUCKET}/set"
    check_source(uri)
    source = open_source(uri, tmp_path)
    assert files_of(source) == FILES | {"c": b"a file"}
    assert (source.refused, source.members) == ([("object 5", "a name that an earlier member has")], 5)

    fetched: list[str] = []
    real = mirror._fetch

    def counting(filesystem: Any, batch: Sequence[mirror._Object], partial: Path) -> list[Path]:
        fetched.extend(str(item.path) for item in batch)
        return real(filesystem, batch, partial)

    monkeypatch.setattr(mirror, "_fetch", counting)
    assert open_source(uri, tmp_path) == source
    assert fetched == []
    changed = encoded(noise(3))
    _put(s3, **{"set/a/one.png": changed, "set/c.png": PNG})
    for key in ("set/b/two.png", "set/c", "set/c/d"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert files_of(open_source(uri, tmp_path)) == {"a/one.png": changed, "c.png": PNG}
    assert fetched == ["a/one.png", "c.png"]


def test_an_archive_in_a_bucket(s3: Any, tmp_path: Path) -> None:
    _put(s3, **{"set.zip": make_zip(ENTRIES), "set.npz": b"x", "set.7z": b"x"})
    source = open_source(f"s3://{BUCKET}/set.zip", tmp_path)
    assert files_of(source) == FILES
    assert (source.refused, source.members) == ([("archive member 3", "an absolute path")], 4)
    assert open_source(f"s3://{BUCKET}/set.npz", tmp_path).path.read_bytes() == b"x"
    assert_refused(f"s3://{BUCKET}/set.7z", tmp_path, "is neither a folder nor one of", check=False)


def test_a_bucket_or_prefix_that_is_not_there(s3: Any, tmp_path: Path) -> None:
    for uri in (f"s3://{BUCKET}/none", "s3://no-such-bucket/x"):
        assert_refused(uri, tmp_path, "does not exist; correct the address")


def test_credentials_that_fail_are_not_told(
    s3: Any,
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _put(s3, **{"set/a.png": PNG})
    uri = f"s3://{BUCKET}/set"
    requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=10)
    try:
        assert_refused(
            uri, tmp_path, r"cannot be read \(PermissionError\); check the address, the network, the credentials"
        )
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data="inf", timeout=10)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert_refused(
        uri, tmp_path, r"cannot be read \(NoCredentialsError\); check the address, the network, the credentials"
    )


def test_the_name_of_a_copy_tells_no_secret(memory: Any, tmp_path: Path) -> None:
    memory.pipe(f"/{SECRET}/a.png", PNG)
    source = open_source(f"memory://{SECRET}", tmp_path)
    assert files_of(source) == {"a.png": PNG}
    assert not any(SECRET in os.fspath(p) for p in tmp_path.rglob("*"))
