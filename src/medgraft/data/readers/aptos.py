"""Reader `aptos`: APTOS 2019 Blindness Detection, fundus photographs with a grade of diabetic retinopathy from 0 to 4.

Layout as in Kaggle's download (https://www.kaggle.com/competitions/aptos2019-blindness-detection/data): `train.csv`
(id_code, diagnosis), `train_images/<id_code>.png`, `test.csv` (id_code), `test_images/<id_code>.png`. Columns and
folders were confirmed in public loaders of the set. It names no patients: say `dataset.ungrouped: true`. Its test
labels were never published.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from medgraft.data.readers.files import inside, located
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.readers.table import open_table, rows, text


class AptosSettings(ReaderSettings):
    """Whether images without labels are wanted."""

    unlabelled: bool = Field(
        False, description="Read the images of test.csv, too, which have no labels (with `dataset.unlabelled: keep`)."
    )

    @property
    def grouped(self) -> bool:
        """Never: the set names no patients."""
        return False


def read(source: Path, settings: AptosSettings) -> Iterator[Record]:
    """A record for each row of train.csv, and of test.csv where asked."""
    for name in ["train", "test"] if settings.unlabelled else ["train"]:
        table = open_table(source, f"{name}.csv", ["id_code", "diagnosis"] if name == "train" else ["id_code"])
        for reference, row in rows(f"{name}.csv", table):
            image = text(row["id_code"])
            content, problem = located(inside(source, f"{name}_images/{image}.png") if image else None)
            yield Record(
                reference=reference,
                content=content,
                label=text(row["diagnosis"]) if name == "train" else None,
                split="unlabelled" if name == "test" else None,
                problem=problem,
            )


readers.add("aptos", Reader(AptosSettings, read))
