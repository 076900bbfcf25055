"""Artifacts are folders that explain themselves: `card.json` says what one is and what it was made from."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medgraft.errors import UserError

SCHEMA_VERSION = 3
CARD = "card.json"
SEARCH, SEARCH_PLOT = "search.json", "search.svg"  # of a candidate that searched

HOW_TO_MAKE = {
    "plan": "medgraft plan",
    "dataset": "medgraft ingest",
    "sealed": "medgraft ingest",
    "initialization": "medgraft pretrain",
    "candidate": "medgraft transfer",
    "evaluation": "medgraft evaluate",
    "registration": "medgraft register",
    "validation": "medgraft validate",
    "ranking": "medgraft rank",
}

Card = dict[str, Any]


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(kind: str, params: object, made_from: Mapping[str, str], code: str) -> str:
    """32 hex digits over the kind, the params that matter, the inputs' fingerprints and the code version."""
    content = canonical([kind, SCHEMA_VERSION, params, dict(made_from), code])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def read_card(folder: Path, kind: str) -> Card:
    """The card of an artifact of `kind`; raises `UserError` when there is none or it is of another kind."""
    remedy = f"make one with `{HOW_TO_MAKE[kind]}`"
    path = folder / CARD
    if not path.is_file():
        raise UserError(f"no {kind} artifact in {folder} (no {CARD}); {remedy}")
    card: Card = read_json(path)
    if card.get("kind") != kind:
        raise UserError(f"{folder} is a {card.get('kind')} artifact, but a {kind} is needed here; {remedy}")
    if card.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{folder} has schema version {card.get('schema_version')}, this medgraft reads {SCHEMA_VERSION}; {remedy}"
        )
    return card


def write_card(folder: Path, kind: str, print_: str, made_from: Mapping[str, str], **facts: object) -> None:
    """Write `card.json`: kind, schema version, fingerprint, what it was made from, and `facts`."""
    card = {"kind": kind, "schema_version": SCHEMA_VERSION, "fingerprint": print_, "made_from": dict(made_from)}
    write_json(folder / CARD, card | facts)


def read_json(path: Path) -> Any:  # noqa: ANN401  (JSON is any value)
    """A JSON file's value; raises `UserError` when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; run the stage that writes it again") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); delete its folder and run its stage again") from error


def write_json(path: Path, value: object) -> None:
    """Indented JSON, keys in the order given, the same bytes for the same value; NaN is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out` that takes its place whole when the block ends, and vanishes if it fails."""
    temporary = out.with_name(f".{out.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace(new: Path, out: Path) -> None:
    """Rename `new` to `out`, whatever `out` was before."""
    old = out.with_name(f".{out.name}.old")
    _remove(old)
    if out.exists() or out.is_symlink():
        out.rename(old)
    new.rename(out)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
