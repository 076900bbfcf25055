"""What evaluation works on: every candidate's logits per fraction and seed, in the order of the splits' images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.artifacts import Card, read_card
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats

RunKey = tuple[float, int]


@dataclass(frozen=True)
class Candidate:
    """A candidate's card, and logits float64 [images, C] by split and run, in the order of the split's image ids."""

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


def read_candidate(folder: Path, image_ids: Mapping[str, Sequence[str]], dataset: str) -> Candidate:
    """Read a candidate and its logits of these images, by split.

    Raises `UserError` when it was made from another dataset or lacks predictions.
    """
    card = read_card(folder, "candidate")
    if card["made_from"]["dataset"] != dataset:
        raise UserError(f"{folder} was fitted on another dataset than this one; run `medgraft transfer` again")
    table = pl.read_parquet(folder / "predictions.parquet")
    logits = {split: _logits(table, split, ids, folder) for split, ids in image_ids.items()}
    return Candidate(card["name"], folder, card, logits)


def _logits(table: pl.DataFrame, split: str, image_ids: Sequence[str], folder: Path) -> dict[RunKey, Floats]:
    found: dict[RunKey, Floats] = {}
    rows = table.filter(pl.col("split") == split)
    for key, frame in rows.group_by(["fraction", "seed"], maintain_order=True):
        by_id: dict[str, Any] = dict(zip(frame["image_id"], frame["logits"].to_list(), strict=True))
        missing = [i for i in image_ids if i not in by_id]
        if missing:
            raise UserError(
                f"{folder} has no prediction for {len(missing)} images of {split}; run `medgraft transfer` again"
            )
        fraction, seed = key
        assert isinstance(fraction, float)
        assert isinstance(seed, int)
        found[(fraction, seed)] = np.array([by_id[i] for i in image_ids], dtype=np.float64)
    return found
