from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medgraft.data.spill import Spill
from medgraft.errors import UserError


def test_bytes_come_back_in_any_order_by_any_thread() -> None:
    kept = Spill(1000)
    pieces = [bytes([number]) * number for number in range(100)]
    reads = [kept.append(piece) for piece in pieces]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda read: read(), reversed(reads))) == pieces[::-1]


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = Spill(10)
    read = kept.append(b"x")
    del kept
    assert read() == b"x"  # what reads it keeps it
    assert list(tmp_path.iterdir()) == []


def test_a_source_larger_than_the_disk_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(UserError, match=r"no room to unpack the source \(1000000000.0 GB are needed, .* set TMPDIR"):
        Spill(10**18)


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115  (closed by Spill)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda buffering: full)
    with pytest.raises(UserError, match=r"no room to unpack the source \(No space left on device\)"):
        Spill(0).append(b"x")
