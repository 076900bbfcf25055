"""From a dataset artifact to what a run trains on: patients, labels, fractions, rows of the pixel store."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from medgraft.artifacts import Card
from medgraft.data.dataset import dataset_card, read_labels, read_rows
from medgraft.data.labels import truths
from medgraft.data.splits import label_counts, take_fraction
from medgraft.errors import UserError
from medgraft.params import Task
from medgraft.training.pixels import Pixels
from medgraft.training.stream import Images

SPLITS = ("train", "validation")


@dataclass(frozen=True)
class TrainingData:
    """Train and validation rows of a dataset, all with something known; it never holds test rows."""

    folder: Path
    card: Card
    train: pl.DataFrame
    validation: pl.DataFrame

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self.card["classes"])

    @property
    def task(self) -> Task:
        """What kind of label the dataset has."""
        task: Task = self.card["task"]
        return task

    def truths(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """[n, classes]: 1 present, 0 absent, NaN unknown."""
        return truths(read_labels(rows), len(self.classes))

    def fraction(self, fraction: float, seed: int) -> pl.DataFrame:
        """The train rows of that label fraction: whole patients, stratified, nested for a seed.

        Raises `UserError` when it does not hold an image of every class; for multilabel: an image with, and one
        without, every class that is scored.
        """
        counts = label_counts(self.train["group_id"].to_list(), self.truths(self.train))
        chosen = take_fraction(counts, fraction, seed)
        rows = self.train.filter(pl.col("group_id").is_in(list(chosen)))
        missing = self._missing(rows)
        if missing:
            remedy = "choose a larger fraction" if fraction < 1 else "ingest a set with more patients, or fewer classes"
            raise UserError(
                f"study.fractions: {fraction} of the training patients (seed {seed}) hold no image "
                f"{', '.join(missing)}; {remedy}"
            )
        return rows

    def _missing(self, rows: pl.DataFrame) -> list[str]:
        table = self.truths(rows)
        multilabel = self.task == "multilabel"
        needed = [("with", 1), ("without", 0)] if multilabel else [("of", 1)]
        return [
            f"{word} {name}"
            for name in (self.card["scored"] if multilabel else self.classes)
            for word, truth in needed
            if not (table[:, self.classes.index(name)] == truth).any()
        ]

    def labels(self, rows: pl.DataFrame) -> NDArray[np.int64] | NDArray[np.float32]:
        """Their labels: the index of the class int64 [n]; for multilabel float32 [n, classes], NaN where unknown."""
        if self.task == "multilabel":
            return self.truths(rows).astype(np.float32)
        return rows["label"].to_numpy().astype(np.int64)

    def images(self, rows: pl.DataFrame, pixels: Pixels) -> Images:
        """Those rows in the pixel store."""
        places: NDArray[np.int64] = np.array([pixels.rows[i] for i in rows["image_id"]], dtype=np.int64)
        return Images(pixels.images, places, self.labels(rows))


def training_data(folder: Path) -> TrainingData:
    """Read the train and validation rows of a dataset artifact of which anything is known.

    Raises `UserError` for a set that was ingested without train or validation.
    """
    card = dataset_card(folder)
    absent = [name for name in SPLITS if name not in card["splits"]]
    if absent:
        raise UserError(
            f"the dataset {card['name']} has no images in {' and '.join(absent)}, so nothing can be trained on it; "
            "ingest it without split.only_test"
        )
    rows = read_rows(folder, SPLITS)
    rows = rows.filter(pl.Series([label is not None for label in read_labels(rows)], dtype=pl.Boolean))
    train, validation = (rows.filter(pl.col("split") == name) for name in SPLITS)
    return TrainingData(folder, card, train, validation)
