"""MedMNIST by name: the medmnist package's addresses and sums, against a server that stands in for Zenodo."""

import builtins
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import medmnist
import pytest
from tests.data.containers import write_medmnist

from medgraft.data.medmnist_download import fetch, look_up, parse
from medgraft.data.npz import members
from medgraft.errors import UserError


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012  (shared by all requests on purpose)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def zenodo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of the server while it stands in for Zenodo; the files are tiny."""
    folder = tmp_path / "zenodo"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    info = dict(medmnist.INFO["adrenalmnist3d"])
    for suffix in ("", "_64"):
        write_medmnist(folder / f"adrenal{suffix}.npz", shape=(4, 4, 4))
        info[f"url{suffix}"] = f"http://127.0.0.1:{server.server_port}/adrenal{suffix}.npz?download=1"
        info[f"MD5{suffix}"] = md5((folder / f"adrenal{suffix}.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(medmnist.INFO, "adrenalmnist3d", info)
    _Quiet.asked.clear()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield _Quiet.asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_sources_by_name() -> None:
    assert parse("medmnist:adrenalmnist3d") == ("adrenalmnist3d", 28)
    assert parse("medmnist:adrenalmnist3d@64") == ("adrenalmnist3d", 64)
    for source in ("medmnist:", "medmnist:../x", "medmnist:a@b", "medmnist:a@64/", "other:a"):
        with pytest.raises(UserError, match="write it as medmnist:<name>"):
            parse(source)


def test_a_set_is_downloaded_once(tmp_path: Path, zenodo: list[str]) -> None:
    path = fetch("adrenalmnist3d", 64, tmp_path / "cache")
    assert set(zenodo) == {"/adrenal_64.npz?download=1"}
    zenodo.clear()
    assert fetch("adrenalmnist3d", 64, tmp_path / "cache") == path
    assert zenodo == []
    assert path == tmp_path / "cache" / "adrenalmnist3d_64.npz"
    assert members(path)["train_images"].shape == (5, 4, 4, 4)
    assert fetch("adrenalmnist3d", 28, tmp_path / "cache").name == "adrenalmnist3d.npz"


def test_half_a_download_is_fetched_again(tmp_path: Path, zenodo: list[str]) -> None:
    (tmp_path / "adrenalmnist3d.npz").write_bytes(b"half")
    assert members(fetch("adrenalmnist3d", 28, tmp_path))
    assert zenodo


def test_another_file_than_the_package_knows(
    tmp_path: Path, zenodo: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(medmnist.INFO["adrenalmnist3d"], "MD5", "0" * 32)
    with pytest.raises(UserError, match="not the file that the medmnist package knows"):
        fetch("adrenalmnist3d", 28, tmp_path)
    assert zenodo


@pytest.mark.usefixtures("zenodo")
def test_without_a_way_to_the_internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(medmnist.INFO["adrenalmnist3d"], "url", "http://127.0.0.1:1/adrenal.npz")
    with pytest.raises(UserError, match=r"cannot be downloaded from http.* \(URLError\); .*give its path"):
        fetch("adrenalmnist3d", 28, tmp_path)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("adrenalmnist", 28, r"no such set \(did you mean 'adrenalmnist3d'\?\); MedMNIST has: pathmnist"),
        ("adrenalmnist3d", 224, "no such size; it has: 28, 64$"),
        ("chestmnist", 32, "no such size; it has: 28, 64, 128, 224$"),
    ],
)
def test_sets_and_sizes_that_do_not_exist(tmp_path: Path, name: str, size: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        look_up(name, size)
    with pytest.raises(UserError, match=message):
        fetch(name, size, tmp_path)


def test_the_package_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "medmnist":
            raise ImportError(name)
        return plain(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'medgraft\[medmnist\]'"):
        fetch("adrenalmnist3d", 28, tmp_path)
