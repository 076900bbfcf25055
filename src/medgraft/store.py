"""The durable store: finished artifacts and checkpoints by fingerprint, on any filesystem that fsspec reaches.

A result counts as present once its manifest lies there; the manifest is written last and holds every file's
hash, so a half-written or damaged result is never restored.
"""

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from medgraft.artifacts import file_hash, replace
from medgraft.errors import UserError


@dataclass(frozen=True)
class Store:
    """A store at `root`, a local folder or any URI with an fsspec filesystem (`s3://bucket/prefix`)."""

    root: str

    def _open(self, *parts: str) -> tuple[Any, str]:
        try:
            filesystem, base = fsspec.core.url_to_fs(self.root)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"the store {self.root} cannot be opened ({error}); name a folder or install the extra it needs"
            ) from error
        filesystem.invalidate_cache()  # another process may have written since the last look
        return filesystem, str(PurePosixPath(base, *parts))

    def read_text(self, *parts: str) -> str | None:
        """The text at that place, or None when nothing lies there."""
        filesystem, path = self._open(*parts)
        try:
            return str(filesystem.read_text(path, encoding="utf-8"))
        except FileNotFoundError:
            return None

    def write_text(self, text: str, *parts: str) -> None:
        """Put `text` there; a reader sees the old or the new one, never a part."""
        filesystem, path = self._open(*parts)
        filesystem.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}" if "file" in _protocols(filesystem) else path
        filesystem.write_text(temporary, text, encoding="utf-8")
        if temporary != path:
            os.replace(temporary, path)  # noqa: PTH105  (fsspec's mv is not atomic)

    def names(self, *parts: str) -> list[str]:
        """The sorted names directly below that place."""
        filesystem, path = self._open(*parts)
        if not filesystem.isdir(path):
            return []
        return sorted(PurePosixPath(p).name for p in filesystem.ls(path, detail=False))

    def put_file(self, local: Path, *parts: str) -> None:
        """Copy a local file there."""
        filesystem, path = self._open(*parts)
        filesystem.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        filesystem.put_file(str(local), path)

    def get_file(self, local: Path, *parts: str) -> bool:
        """Copy the file there to `local`; False when nothing lies there."""
        filesystem, path = self._open(*parts)
        local.parent.mkdir(parents=True, exist_ok=True)
        try:
            filesystem.get_file(path, str(local))
        except FileNotFoundError:
            return False
        return True

    def delete(self, *parts: str) -> None:
        """Remove what lies there, if anything."""
        filesystem, path = self._open(*parts)
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)

    def put(self, folder: Path, key: str) -> None:
        """Keep a finished folder under `key`."""
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        names = [p.relative_to(folder).as_posix() for p in files]
        for path, name in zip(files, names, strict=True):
            self.put_file(path, "results", key, name)
        manifest = {name: file_hash(path) for path, name in zip(files, names, strict=True)}
        self.write_text(json.dumps(manifest, indent=1), "results", f"{key}.json")

    def get(self, key: str, out: Path) -> bool:
        """Restore the folder kept under `key` to `out`; False when there is none or it is damaged."""
        text = self.read_text("results", f"{key}.json")
        if text is None:
            return False
        try:
            manifest: dict[str, str] = json.loads(text)
        except ValueError:
            return False
        temporary = out.with_name(f".{out.name}.restoring")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            for name, digest in manifest.items():
                local = temporary / name
                if not self.get_file(local, "results", key, name) or file_hash(local) != digest:
                    return False
            replace(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return True


def _protocols(filesystem: Any) -> tuple[str, ...]:  # noqa: ANN401  (fsspec has no types)
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
