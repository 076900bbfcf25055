"""How often a test set has been opened: an entry an evaluation, in the durable store, never removed."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from medgraft.artifacts import read_json, write_json
from medgraft.store import Store

LEDGER = "ledger.json"


@dataclass(frozen=True)
class Opening:
    """`this_opening` is which one of `openings` this evaluation is."""

    test_set: str
    openings: int
    this_opening: int


def record_opening(store: Store, test_set: str, evaluation: str) -> Opening:
    """Enter an evaluation before it reads the sealed labels of `test_set`.

    The same evaluation (by fingerprint) counts once: repeating it after a kill shows nothing new.
    """
    entries = _entries(store, test_set)
    if evaluation not in entries:
        entries.append(evaluation)
        store.write_text(f"{len(entries)}", "ledger", test_set, evaluation)
    return Opening(test_set, len(entries), entries.index(evaluation) + 1)


def refresh_opening(store: Store, test_set: str, evaluation: str, folder: Path) -> bool:
    """Let `folder/ledger.json` state how often the test set was opened *by now*, also where the folder was restored.

    Returns whether that changed it: then a report made from it is old.
    """
    opening = asdict(record_opening(store, test_set, evaluation))
    if read_json(folder / LEDGER) == opening:
        return False
    write_json(folder / LEDGER, opening)
    return True


def _entries(store: Store, test_set: str) -> list[str]:
    # A kill may leave a half-written sibling behind: only names that are fingerprints count.
    names = [name for name in store.names("ledger", test_set) if re.fullmatch("[0-9a-f]{32}", name)]
    numbered = [(int(store.read_text("ledger", test_set, name) or 0), name) for name in names]
    return [name for _, name in sorted(numbered)]
