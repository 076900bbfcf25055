"""Sources on other machines: what fsspec reaches, told without a word of secrets."""

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import fsspec

from medgraft.errors import UserError

EXTRAS = {"s3": "s3", "s3a": "s3", "dvc": "dvc"}
# Of fsspec, but no places elsewhere: a ZIP is unpacked by us, with our checks.
CONTAINERS = (
    "zip",
    "tar",
    "libarchive",
    "reference",
    "data",
    "dir",
    "cached",
    "blockcache",
    "filecache",
    "simplecache",
)
# What the libraries below fsspec raise; these share no base class, and are not imported here.
FOREIGN = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("dvc.exceptions", "DvcException"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("paramiko", "SSHException"),
)


def shown(uri: str) -> str:
    """The URI for messages: users, passwords, tokens and signatures are left out."""
    return re.sub(r"[?#;].*", "?…", re.sub(r"//.*@", "//…@", uri))


def connect(uri: str) -> tuple[Any, str]:
    """The filesystem (fsspec) of a URI, and the path of the URI in it; nothing is asked of the network yet.

    `dvc://path` is a path in the DVC repository of the working directory, `dvc://path?repo=URL-or-folder&rev=REV` one
    in another: https://dvc.org/doc/api-reference/dvcfilesystem. Raises `UserError` for a protocol that nothing here
    speaks, with what to install.
    """
    protocol, _, rest = uri.partition("://")
    if "::" in uri:
        raise UserError(f"dataset.source {shown(uri)}: chained addresses (::) are not read; name one file or folder")
    if protocol not in fsspec.available_protocols() or protocol in CONTAINERS:
        known = "a folder, a .zip or .tar, s3://…, dvc://… or medmnist:<name>"
        raise UserError(f"dataset.source {shown(uri)}: {protocol}:// is not understood here; give {known}")
    try:
        if protocol == "dvc":
            path, options = _dvc(rest, uri)
            return fsspec.filesystem("dvc", **options), path
        with reaching(uri):
            filesystem, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        remedy = f"`pip install 'medgraft[{extra}]'`" if extra else "the package that fsspec needs for it"
        raise UserError(
            f"dataset.source {shown(uri)}: {protocol}:// needs more than is installed; install {remedy}"
        ) from error
    return filesystem, str(path)


def _dvc(rest: str, uri: str) -> tuple[str, dict[str, str]]:
    path, _, query = rest.partition("?")
    options = {name: values[-1] for name, values in parse_qs(query).items()}
    unknown = sorted(set(options) - {"repo", "rev"})
    if unknown:
        raise UserError(f"dataset.source {shown(uri)}: unknown after `?`: {', '.join(unknown)}; allowed: repo, rev")
    return "/" + path.strip("/"), options


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Turn what a filesystem raises into a `UserError`; its own words are left out, since they may hold secrets."""
    try:
        yield
    except FileNotFoundError:
        pushed = " (or was never pushed: `dvc push`)" if uri.startswith("dvc://") else ""
        raise UserError(f"dataset.source {shown(uri)} does not exist{pushed}; correct the address") from None
    except (OSError, ValueError, *_foreign()) as error:  # type: ignore[misc]  # mypy does not unpack the tuple
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise UserError(f"the disk is full while dataset.source {shown(uri)} is copied; make room") from error
        raise UserError(
            f"dataset.source {shown(uri)} cannot be read ({type(error).__name__}); check the address, the network, the "
            "credentials in the environment, and that they may list and read there"
        ) from None


def _foreign() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in FOREIGN if module in sys.modules)
