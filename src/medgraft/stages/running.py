"""How every stage ends up with its artifacts: already there, restored from the store, or built."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medgraft.artifacts import CARD, read_card, read_json, writing
from medgraft.stages import STAGES
from medgraft.store import Store


def read_item(plan: Path, stage: str, name: str = "") -> dict[str, Any]:
    """What the plan tells a stage, or its initialization or candidate `name`; raises `UserError` without a plan."""
    read_card(plan, "plan")
    item: dict[str, Any] = read_json(plan / str(STAGES[stage].item).format(name=name))
    return item


def produce(
    outs: Mapping[str, Path], fingerprints: Mapping[str, str], store: Store, build: Callable[[dict[str, Path]], None]
) -> str:
    """Make the folders `outs` (artifact kind → place) hold the artifacts with these fingerprints.

    `build` gets an empty temporary folder for each kind and must write each one's card. Folders are put in
    place only after all were built. Returns "up to date", "restored" or "built".
    """
    if all(_holds(outs[kind], fingerprints[kind]) for kind in outs):
        return "up to date"
    if all(store.get(fingerprints[kind], outs[kind]) for kind in outs):
        return "restored"
    _build(list(outs), outs, {}, build)
    for kind, out in outs.items():
        store.put(out, fingerprints[kind])
    return "built"


def _build(
    kinds: list[str], outs: Mapping[str, Path], temporary: dict[str, Path], build: Callable[[dict[str, Path]], None]
) -> None:
    if not kinds:
        build(temporary)
        return
    with writing(outs[kinds[0]]) as folder:
        _build(kinds[1:], outs, temporary | {kinds[0]: folder}, build)


def _holds(folder: Path, print_: str) -> bool:
    card = folder / CARD
    return card.is_file() and read_json(card).get("fingerprint") == print_
