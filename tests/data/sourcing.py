"""What tests of sources share: a small set as an archive and as files, and how a refusal must look."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.data.archiving import Entry
from tests.data.sources import encoded, noise

from medgraft.data.sources import Source, check_source, open_source
from medgraft.errors import UserError

SECRET = "wJalrXUtnFEMI"  # must be in no message
PNG = encoded(noise(1))
ENTRIES = [Entry("a/one.png", PNG), Entry("b/two.png", encoded(noise(2))), Entry("/evil.png", PNG), Entry(".DS_Store")]
FILES = {"a/one.png": PNG, "b/two.png": encoded(noise(2))}


def files_of(source: Source) -> dict[str, bytes]:
    """The content of every file of a source, by its path."""
    return {p.relative_to(source.path).as_posix(): p.read_bytes() for p in source.path.rglob("*") if not p.is_dir()}


def assert_refused(uri: str, cache: Path, told: str, check: bool = True) -> None:
    """Opening it is one error that tells no secret; checking it, too, unless only opening can tell."""
    looks: list[Callable[[], object]] = [partial(open_source, uri, cache)]
    looks += [partial(check_source, uri)] if check else []
    for look in looks:
        with pytest.raises(UserError, match=told) as caught:
            look()
        assert SECRET not in str(caught.value)


def edited(files: Path) -> None:
    """Change a byte of a file."""
    (files / "a" / "one.png").write_bytes(PNG[:-1] + b"x")


def linked(files: Path) -> None:
    """Put a link in the place of a file."""
    (files / "a" / "one.png").unlink()
    (files / "a" / "one.png").symlink_to("/etc/passwd")
