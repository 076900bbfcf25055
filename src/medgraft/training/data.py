"""From a dataset artifact to what a run trains on: patients, labels, fractions, rows of the training store."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medgraft.artifacts import Card
from medgraft.data.dataset import dataset_card, read_rows
from medgraft.data.splits import label_counts, take_fraction
from medgraft.errors import UserError
from medgraft.training.pixels import Pixels
from medgraft.training.stream import Images


@dataclass(frozen=True)
class TrainingData:
    """Train and validation rows of a dataset; it never holds test rows."""

    folder: Path
    card: Card
    train: pl.DataFrame
    validation: pl.DataFrame

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self.card["classes"])

    def fraction(self, fraction: float, seed: int) -> pl.DataFrame:
        """The train rows of that label fraction: whole patients, stratified, nested for a seed.

        Raises `UserError` when the fraction is too small to hold every class.
        """
        groups, labels = self.train["group_id"].to_list(), self.train["label"].to_list()
        chosen = take_fraction(label_counts(groups, labels, len(self.classes)), fraction, seed)
        rows = self.train.filter(pl.col("group_id").is_in(list(chosen)))
        missing = [name for index, name in enumerate(self.classes) if index not in set(rows["label"])]
        if missing:
            raise UserError(
                f"study.fractions: {fraction} of the training patients (seed {seed}) hold no image of "
                f"{', '.join(missing)}; choose a larger fraction"
            )
        return rows

    def images(self, rows: pl.DataFrame, pixels: Pixels) -> Images:
        """Those rows in the training store."""
        places: NDArray[np.int64] = np.array([pixels.rows[i] for i in rows["image_id"]], dtype=np.int64)
        return Images(pixels.images, places, rows["label"].to_numpy().astype(np.int64))


def training_data(folder: Path) -> TrainingData:
    """Read the labelled train and validation rows of a dataset artifact."""
    rows = read_rows(folder, ["train", "validation"]).filter(pl.col("label").is_not_null())
    train, validation = (rows.filter(pl.col("split") == name) for name in ("train", "validation"))
    return TrainingData(folder, dataset_card(folder), train, validation)
