"""Checkpoints in the durable store: the latest and the one before it, each checked by its hash before use."""

import json
from dataclasses import dataclass
from pathlib import Path

from medgraft.artifacts import file_hash
from medgraft.store import Store

KEPT = 2


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, under its key."""

    store: Store
    key: str

    def save(self, local: Path, step: int) -> None:
        """Keep a checkpoint; only then is an older one let go."""
        index = self._index()
        name = f"{step:08d}.ckpt"
        self.store.put_file(local, "checkpoints", self.key, name)
        entries = [e for e in index if e["name"] != name] + [{"name": name, "sha256": file_hash(local)}]
        self.store.write_text(json.dumps(entries[-KEPT:]), "checkpoints", self.key, "index.json")
        for entry in entries[:-KEPT]:
            self.store.delete("checkpoints", self.key, entry["name"])

    def latest(self, folder: Path) -> Path | None:
        """A local copy of the newest intact checkpoint, or None."""
        for entry in reversed(self._index()):
            local = folder / entry["name"]
            if self.store.get_file(local, "checkpoints", self.key, entry["name"]) and (
                file_hash(local) == entry["sha256"]
            ):
                return local
        return None

    def clear(self) -> None:
        """Remove them all."""
        self.store.delete("checkpoints", self.key)

    def _index(self) -> list[dict[str, str]]:
        text = self.store.read_text("checkpoints", self.key, "index.json")
        entries: list[dict[str, str]] = json.loads(text) if text else []
        return entries
