"""Two reporting guidelines, item by item: what an evaluation's artifacts answer, and what only a person can.

The items are paraphrased; their numbers and order are those of the guidelines:
TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), 27 items with their sub-items, and
CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300), 44 items.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medgraft.artifacts import read_json

_FILES = ("tripod_ai.json", "claim_2024.json")
_EVERYTHING = "all of it"


@dataclass(frozen=True)
class Answer:
    """One item. `given`: what the artifacts say to it; `left`: what a person must add; "" for nothing."""

    number: str
    topic: str
    asks: str
    given: str
    left: str

    @property
    def filled(self) -> bool:
        """Whether nothing is left to a person."""
        return not self.left


@dataclass(frozen=True)
class Checklist:
    """A guideline with an answer to each of its items, in its order; `size` says how many, as the guideline counts."""

    title: str
    source: str
    size: str
    answers: tuple[Answer, ...]


def checklists(facts: Mapping[str, str]) -> list[Checklist]:
    """TRIPOD+AI and CLAIM, answered from `facts` (see `checklists.facts.known`).

    Where an item's answer needs a fact that is not there, nothing is said and the item is left to a person whole.
    """
    tables = [read_json(Path(__file__).with_name(name)) for name in _FILES]
    return [
        Checklist(
            table["title"], table["source"], table["size"], tuple(_answer(item, facts) for item in table["items"])
        )
        for table in tables
    ]


def _answer(item: Mapping[str, str], facts: Mapping[str, str]) -> Answer:
    needed = {name for _, name, _, _ in string.Formatter().parse(item["given"]) if name}
    if not needed <= facts.keys():
        return Answer(item["number"], item["topic"], item["asks"], "", _EVERYTHING)
    return Answer(item["number"], item["topic"], item["asks"], item["given"].format_map(facts), item["left"])
