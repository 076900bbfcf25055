"""A copy of a remote file or folder on this disk, kept up to date object by object."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from medgraft.data import members
from medgraft.data.members import CAPS, Caps, Names, RefusedError, Tally
from medgraft.data.remote import connect, reaching, shown
from medgraft.errors import UserError

FILES, JOURNAL, PARTIAL = "files", "objects.jsonl", "partial"
BATCH = 64
WEB = ("http://", "https://")
# What filesystems call the mark that changes when an object does, surest first.
MARKS = ("ETag", "etag", "md5", "md5Hash", "content_hash", "checksum", "LastModified", "updated", "mtime", "created")


@dataclass(frozen=True)
class _Object:
    key: str
    path: PurePosixPath
    mark: str | None
    size: int | None


# Name below the folder → mark, bytes and time (ns) of the copy.
_Copies = dict[str, tuple[str | None, int, int]]


def mirror(uri: str, cache: Path, caps: Caps = CAPS) -> tuple[Path, Tally]:
    """Copy what a remote URI names into `cache`; returns the copy (a file or a folder) and what was left out.

    An object whose mark (ETag, checksum or time) and size are those of the last copy is not fetched again; an
    interrupted copy goes on where it was. References are ("object 17", reason), numbered in the order of names. Raises
    `UserError` when the address cannot be read, or when there is too much behind it.
    """
    filesystem, root = connect(uri)
    with reaching(uri):
        filesystem.invalidate_cache()  # another process may have written since the last look
        info = filesystem.info(root)
        single = info["type"] == "file"
        listed: dict[str, Any] = {root: info} if single else filesystem.find(root, detail=True)
    members.refuse_many(len(listed), caps)
    base = str(PurePosixPath(root).parent) if single else root
    wanted, tally = _wanted(listed, base)
    if single and not wanted:
        raise UserError(
            f"dataset.source {shown(uri)}: {tally.refused[0][1] if tally.refused else 'no data'}; rename it"
        )
    folder = cache / sha256(uri.encode()).hexdigest()
    _bring(filesystem, uri, folder, wanted, caps)
    return folder / FILES / wanted[0].path if single else folder / FILES, tally


def check_remote(uri: str) -> None:
    """Raise `UserError` when nothing can be read at that address; downloads nothing."""
    filesystem, root = connect(uri)
    with reaching(uri):
        filesystem.info(root)


def _wanted(listed: Mapping[str, Any], base: str) -> tuple[list[_Object], Tally]:
    names, wanted, refused = Names(), [], []
    junk = folders = 0
    for number, (key, info) in enumerate(sorted(listed.items()), start=1):
        name = key.removeprefix(base.rstrip("/") + "/")
        if key.startswith(WEB):
            name = name.partition("?")[0]  # what follows may be a signature
        if members.is_junk(name):
            junk += 1
            continue
        try:
            if info["type"] != "file":
                raise RefusedError(members.LINK if info.get("islink") else members.DEVICE)
            if name.endswith("/") and not info.get("size"):  # how consoles show empty folders in a bucket
                names.claim(name, folder=True)
                folders += 1
                continue
            wanted.append(_Object(key, names.claim(name), _mark(info), info.get("size")))
        except RefusedError as reason:
            refused.append((f"object {number}", str(reason)))
    return wanted, Tally(len(wanted) + folders, refused, junk)


def _mark(info: Mapping[str, Any]) -> str | None:
    """What tells that an object is still the same; None where the filesystem has nothing of the kind."""
    known = info.get("fs_info") or info  # dvc: a file of the working tree has its own
    return next((f"{name} {known[name]}" for name in MARKS if known.get(name) is not None), None)


def _bring(filesystem: Any, uri: str, folder: Path, wanted: Sequence[_Object], caps: Caps) -> None:  # noqa: ANN401  (fsspec has no types)
    files, partial = folder / FILES, folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    for needed in (files, partial):
        needed.mkdir(parents=True, exist_ok=True)
    copies = _intact(folder)
    sound = {str(o.path) for o in wanted if o.mark is not None and copies.get(str(o.path), (None,))[0] == o.mark}
    copies = {name: copy for name, copy in copies.items() if name in sound}
    _remove_others(files, copies)
    missing = [o for o in wanted if str(o.path) not in copies]
    members.refuse_total(sum(o.size or 0 for o in wanted), caps)
    members.refuse_full(sum(o.size or 0 for o in missing), folder, caps)
    with (folder / JOURNAL).open("w", encoding="utf-8") as journal:
        for name, copy in copies.items():
            journal.write(json.dumps([name, *copy]) + "\n")
        for start in range(0, len(missing), BATCH):
            members.refuse_full(0, folder, caps)  # not every filesystem tells sizes beforehand
            batch = missing[start : start + BATCH]
            with reaching(uri):
                fetched = _fetch(filesystem, batch, partial)
            for item, local in zip(batch, fetched, strict=True):
                state = local.stat()
                if item.size is not None and state.st_size != item.size:
                    raise UserError(f"dataset.source {shown(uri)} changes while it is copied; try again later")
                target = files / item.path
                target.parent.mkdir(parents=True, exist_ok=True)
                local.replace(target)
                journal.write(json.dumps([str(item.path), item.mark, state.st_size, state.st_mtime_ns]) + "\n")
            journal.flush()
    partial.rmdir()


def _fetch(filesystem: Any, batch: Sequence[_Object], partial: Path) -> list[Path]:  # noqa: ANN401  (fsspec has no types)
    targets = [partial / str(number) for number in range(len(batch))]
    if filesystem.async_impl:  # all of the batch at once
        filesystem.get([item.key for item in batch], [str(target) for target in targets])
    else:
        for item, target in zip(batch, targets, strict=True):
            filesystem.get_file(item.key, str(target))
    return targets


def _intact(folder: Path) -> _Copies:
    """The copies that are on disk as the journal says; a last line that was cut by a kill is passed over."""
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    told: _Copies = {}
    for line in lines:
        try:
            name, mark, size, time = json.loads(line)
        except ValueError:
            continue
        told[name] = (mark, size, time)
    states = dict(members.states(folder / FILES))
    return {name: copy for name, copy in told.items() if states.get(name) == copy[1:]}


def _remove_others(files: Path, kept: Mapping[str, object]) -> None:
    """Remove every file, link and empty folder that is not among the copies to keep."""
    for parent, folders, names in os.walk(files, topdown=False):
        for name in names + folders:
            path = Path(parent, name)
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(files).as_posix() not in kept:
                path.unlink()
