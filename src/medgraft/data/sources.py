"""From what `dataset.source` says to a folder or a file on this disk."""

from dataclasses import dataclass
from pathlib import Path

from medgraft.artifacts import file_hash, read_json, write_json, writing
from medgraft.data import members
from medgraft.data.archives import SUFFIXES, check_archive, is_archive, unpack
from medgraft.data.members import Tally
from medgraft.data.mirror import check_remote, mirror
from medgraft.data.remote import shown
from medgraft.errors import UserError

FILES, MANIFEST = "files", "manifest.json"
READ_AS_FILES = (".npz", ".h5", ".hdf5", ".parquet")
MEDMNIST = "medmnist:"
LOCAL = ("file://", "local://")


@dataclass(frozen=True)
class Source:
    """A source on this disk.

    `path`: the folder or file that a reader reads. `refused`: entries of an archive or a bucket that were left out,
    ("archive member 17" or "object 17", reason), never their names. `members`: all its entries; None where `path` is
    the user's own. `junk`: how many of them are files of operating systems (`.DS_Store`), left out as well.
    """

    path: Path
    refused: list[tuple[str, str]]
    members: int | None = None
    junk: int = 0


def open_source(uri: str, cache: Path) -> Source:
    """Bring what `uri` names to this disk: as it is where it lies here already, else below the folder `cache`.

    A folder, or a file of arrays or tables (`.npz`, `.h5`, `.parquet`); an archive (`.zip`, `.tar`, `.tar.gz`,
    `.tar.bz2`, `.tar.xz`), unpacked once; any URI of fsspec (`s3://bucket/prefix`, `dvc://path?repo=…&rev=…`) that
    names one of these, copied and kept up to date; `medmnist:<name>[@size]`, downloaded. Raises `UserError` when it is
    missing, unreadable, unsafe as a whole, or needs what is not installed.
    """
    if uri.startswith(MEDMNIST):
        from medgraft.data.medmnist_download import fetch, parse  # brings torch

        return Source(fetch(*parse(uri), cache), [])
    local = _local(uri)
    if local is not None:
        return _opened(local, uri, cache)
    path, tally = mirror(uri, cache)
    opened = _opened(path, shown(uri), cache)
    return opened if opened.members is not None else Source(path, tally.refused, tally.members, tally.junk)


def check_source(uri: str) -> None:
    """Raise `UserError` when `open_source` would find nothing there; downloads and unpacks nothing."""
    if uri.startswith(MEDMNIST):
        from medgraft.data.medmnist_download import look_up, parse

        look_up(*parse(uri))
        return
    local = _local(uri)
    if local is None:
        check_remote(uri)
    else:
        _check_local(local, uri)
        if local.is_file() and is_archive(local.name):
            check_archive(local)


def _local(uri: str) -> Path | None:
    for prefix in LOCAL:
        uri = uri.removeprefix(prefix)
    return None if "://" in uri else Path(uri)


def _opened(path: Path, called: str, cache: Path) -> Source:
    _check_local(path, called)
    return _unpacked(path, cache) if path.is_file() and is_archive(path.name) else Source(path, [])


def _check_local(path: Path, called: str) -> None:
    try:
        if path.is_dir():
            next(path.iterdir(), None)
            return
        path.open("rb").close()
    except FileNotFoundError as error:
        raise UserError(f"dataset.source: {called} does not exist; correct the path") from error
    except OSError as error:
        raise UserError(f"dataset.source: {called} cannot be read ({type(error).__name__}); see its rights") from error
    if not path.name.lower().endswith(SUFFIXES + READ_AS_FILES):
        raise UserError(
            f"dataset.source: {called} is neither a folder nor one of {', '.join(SUFFIXES + READ_AS_FILES)}; name the "
            "folder that holds it, or unpack it yourself"
        )


def _unpacked(archive: Path, cache: Path) -> Source:
    """The archive's members in a folder named by its hash; one of an earlier run is used if nothing in it changed."""
    folder = cache / file_hash(archive)
    tally = _kept(folder)
    if tally is None:
        with writing(folder) as temporary:
            (temporary / FILES).mkdir()
            tally = unpack(archive, temporary / FILES)
            states = {name: list(state) for name, state in members.states(temporary / FILES)}
            write_json(temporary / MANIFEST, {"files": states, **vars(tally)})
    return Source(folder / FILES, tally.refused, tally.members, tally.junk)


def _kept(folder: Path) -> Tally | None:
    if not folder.is_dir():
        return None
    try:
        manifest = read_json(folder / MANIFEST)
        told = {name: tuple(state) for name, state in manifest["files"].items()}
        tally = Tally(manifest["written"], [(where, why) for where, why in manifest["refused"]], manifest["junk"])
    except (UserError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return tally if told == dict(members.states(folder / FILES)) else None
