"""What evaluation works on: every candidate's logits per fraction and seed, aligned with labels and patients."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.artifacts import Card, read_card
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats, Ints

RunKey = tuple[float, int]


@dataclass(frozen=True)
class Part:
    """One split: image ids, labels int64 [n], patients int64 [n] (an index a patient), sorted by image id."""

    name: str
    image_ids: list[str]
    labels: Ints
    groups: Ints
    group_ids: list[str]


@dataclass(frozen=True)
class Candidate:
    """A candidate's card, and logits float64 [n, classes] by split and run, in the order of the `Part`."""

    name: str
    folder: Path
    card: Card
    logits: Mapping[str, Mapping[RunKey, Floats]]

    @property
    def runs(self) -> list[RunKey]:
        """(fraction, seed) in the order they were fitted."""
        return [(fit["fraction"], fit["seed"]) for fit in self.card["fits"]]

    @property
    def seeds(self) -> list[int]:
        """Seeds in the order of the params; the first one's model is packaged."""
        return list(dict.fromkeys(seed for _, seed in self.runs))


def part(name: str, rows: pl.DataFrame, labels: Mapping[str, int]) -> Part:
    """A split with its labels, of the rows whose label is known."""
    known = rows.filter(pl.col("image_id").is_in(list(labels))).sort("image_id")
    ids = known["image_id"].to_list()
    group_ids = known["group_id"].to_list()
    places = {group: index for index, group in enumerate(sorted(set(group_ids)))}
    return Part(
        name,
        ids,
        np.array([labels[i] for i in ids], dtype=np.int64),
        np.array([places[g] for g in group_ids], dtype=np.int64),
        group_ids,
    )


def read_candidate(folder: Path, parts: Mapping[str, Part], dataset: str) -> Candidate:
    """Read a candidate; raises `UserError` when it was made from another dataset or lacks predictions."""
    card = read_card(folder, "candidate")
    if card["made_from"]["dataset"] != dataset:
        raise UserError(f"{folder} was fitted on another dataset than this one; run `medgraft transfer` again")
    table = pl.read_parquet(folder / "predictions.parquet")
    logits = {name: _logits(table, part, folder) for name, part in parts.items()}
    return Candidate(card["name"], folder, card, logits)


def _logits(table: pl.DataFrame, part: Part, folder: Path) -> dict[RunKey, Floats]:
    found: dict[RunKey, Floats] = {}
    rows = table.filter(pl.col("split") == part.name)
    for key, frame in rows.group_by(["fraction", "seed"], maintain_order=True):
        by_id: dict[str, Any] = dict(zip(frame["image_id"], frame["logits"].to_list(), strict=True))
        missing = [i for i in part.image_ids if i not in by_id]
        if missing:
            raise UserError(
                f"{folder} has no prediction for {len(missing)} images of {part.name}; run `medgraft transfer` again"
            )
        fraction, seed = key
        assert isinstance(fraction, float)
        assert isinstance(seed, int)
        found[(fraction, seed)] = np.array([by_id[i] for i in part.image_ids], dtype=np.float64)
    return found
