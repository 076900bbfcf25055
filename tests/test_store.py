"""What the store gives back is what was put there, or nothing; on a folder and on an S3 server alike."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from medgraft.errors import UserError
from medgraft.store import Store

BUCKET = "medgraft"


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(str(tmp_path / "store"))
    request.getfixturevalue("s3")
    return Store(f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def result(tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    (folder / "data").mkdir(parents=True)
    (folder / "card.json").write_text("{}")
    (folder / "data" / "a.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "data" / "empty").write_bytes(b"")
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _write(store: Store, data: bytes, *parts: str) -> None:
    filesystem, root = fsspec.core.url_to_fs(store.root)
    filesystem.pipe_file("/".join([root, *parts]), data)


def test_what_is_put_comes_back(store: Store, result: Path, tmp_path: Path) -> None:
    assert not store.get("k", tmp_path / "out")
    store.put(result, "k")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stale").write_text("x")
    assert store.get("k", tmp_path / "out")
    assert _content(tmp_path / "out") == _content(result)
    assert {p.name for p in tmp_path.iterdir()} <= {"out", "result", "store"}


@pytest.mark.parametrize(
    ("damaged", "content"),
    [
        (("results", "k", "data", "a.bin"), b"\0" * 25600),
        (("results", "k", "data", "a.bin"), b""),
        (("results", "k.json"), b'{"card.json": '),
        (("results", "k.json"), b""),
    ],
)
def test_a_damaged_result_is_not_restored(
    store: Store, result: Path, tmp_path: Path, damaged: tuple[str, ...], content: bytes
) -> None:
    store.put(result, "k")
    _write(store, content, *damaged)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    assert not store.get("k", tmp_path / "out")
    assert _content(tmp_path / "out") == {"old": b"old"}
    store.put(result, "k")  # putting it again heals it
    assert store.get("k", tmp_path / "out")


def test_a_half_written_result_is_not_restored(store: Store, result: Path, tmp_path: Path) -> None:
    store.put(result, "k")
    store.delete("results", "k.json")  # killed before the manifest was written
    assert not store.get("k", tmp_path / "out")
    store.put(result, "k")
    store.delete("results", "k", "card.json")
    assert not store.get("k", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_and_names(store: Store) -> None:
    assert store.read_text("ledger", "a") is None
    assert store.names("ledger") == []
    store.write_text("one", "ledger", "b")
    store.write_text("zwei – ü", "ledger", "a")
    assert store.names("ledger") == ["a", "b"]
    store.write_text("longer than before", "ledger", "b")
    assert store.read_text("ledger", "b") == "longer than before"
    assert store.read_text("ledger", "a") == "zwei – ü"
    store.delete("ledger", "a")
    store.delete("ledger", "never there")
    assert store.names("ledger") == ["b"]


def test_what_another_process_writes_is_seen(store: Store, tmp_path: Path) -> None:
    store.write_text("1", "ledger", "a")
    assert store.names("ledger") == ["a"]
    if store.root.startswith("s3://"):
        client = boto3.client("s3")
        client.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/ledger/a", Body=b"1234")
        client.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/ledger/b", Body=b"5")
    else:
        Path(store.root, "ledger", "a").write_text("1234")
        Path(store.root, "ledger", "b").write_text("5")
    assert store.read_text("ledger", "a") == "1234"
    store.delete("ledger", "b")
    assert store.names("ledger") == ["a"]


def test_a_file_that_is_not_there(store: Store, tmp_path: Path) -> None:
    assert not store.get_file(tmp_path / "local", "checkpoints", "none")
    assert not (tmp_path / "local").exists()


def test_a_local_text_is_replaced_at_once(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_text("old", "index.json")
    os.link(tmp_path / "index.json", tmp_path / "reader")  # a reader that opened it before
    store.write_text("new", "index.json")
    assert (tmp_path / "reader").read_text() == "old"
    assert store.names() == ["index.json", "reader"]  # no temporary left behind


def test_the_manifest_names_every_file(tmp_path: Path, result: Path) -> None:
    Store(str(tmp_path / "store")).put(result, "k")
    manifest = json.loads((tmp_path / "store" / "results" / "k.json").read_text())
    assert sorted(manifest) == ["card.json", "data/a.bin", "data/empty"]


def test_an_unknown_filesystem_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the store nowhere://x cannot be opened .*; name a folder or install"):
        Store("nowhere://x").read_text("a")
