"""One small registry behind readers, initializations and strategies: a name, its settings, its function."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from medgraft.errors import UserError

Entry = TypeVar("Entry")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the allowed word that is spelled most like `word`, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


@dataclass
class Catalog(Generic[Entry]):
    """Named entries of one kind; installed packages add theirs through the entry point `medgraft.<plural>`."""

    kind: str
    plural: str
    _entries: dict[str, Entry] = field(default_factory=dict)
    _plugins_loaded: bool = False

    def add(self, name: str, entry: Entry) -> None:
        """Register `entry`; a name that is taken is a programming error."""
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        self._entries[name] = entry

    def names(self) -> list[str]:
        """Every name, sorted."""
        self._load_plugins()
        return sorted(self._entries)

    def get(self, name: str) -> Entry:
        """The entry of that name; raises `UserError` with the allowed names and the nearest spelling."""
        self._load_plugins()
        if name not in self._entries:
            raise UserError(
                f"unknown {self.kind} '{name}'{nearest(name, self._entries)}; allowed: {', '.join(self.names())}"
            )
        return self._entries[name]

    def _load_plugins(self) -> None:
        if not self._plugins_loaded:
            self._plugins_loaded = True
            for point in entry_points(group=f"medgraft.{self.plural}"):
                self.add(point.name, point.load())
