"""Reader `ham10000`: HAM10000, dermatoscopic images of pigmented lesions in seven classes (Tschandl et al. 2018).

Layout as downloaded (https://doi.org/10.7910/DVN/DBW86T, or Kaggle's copy): `HAM10000_metadata` with commas or tabs,
under one of several endings (lesion_id, image_id, dx, dx_type, age, sex, localization, and on Dataverse dataset), and
images in `HAM10000_images_part_1/` and `_part_2/`. Dataverse also has the test set of ISIC 2018 Task 3:
`ISIC2018_Task3_Test_GroundTruth.csv` in the same columns, and `ISIC2018_Task3_Test_Images/`. Columns and endings were
confirmed in public loaders and READMEs; that the test table has the same columns, in Dataverse's own description.

A lesion is one group, as several images show it; patients are not told, so two lesions of one person are two groups.
`dx` is the label: akiec, bcc, bkl, df, mel, nv, vasc. `dx_type` (how it was confirmed) is left behind, for it gives
sealed labels away: follow-up confirms nevi only.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from medgraft.data.readers.files import Folders, ImageIndex
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.readers.table import age, first_of, open_table, rows, text

METADATA = ("HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab", "HAM10000_metadata.txt")
TEST = "ISIC2018_Task3_Test_GroundTruth.csv"
TEST_IMAGES = ["ISIC2018_Task3_Test_Images", "ISIC2018_Task3_Test_Images/ISIC2018_Task3_Test_Images"]
COLUMNS = ("lesion_id", "image_id", "dx", "age", "sex", "localization")
SITE = "dataset"


class HamSettings(ReaderSettings):
    """Where the images are, and whether the challenge's test set is read, too."""

    images: Folders = Field(["HAM10000_images_part_[12]"], description="Folders that hold the images (glob patterns).")
    challenge_test: bool = Field(
        False, description="Read the test set of ISIC 2018 Task 3 as the test split, all else as train."
    )

    @property
    def grouped(self) -> bool:
        """By lesion."""
        return True

    @property
    def subgroup_columns(self) -> list[str]:
        """Age in years, sex, where on the body, and the collection that an image comes from, where told."""
        return ["age", "sex", "localization", "site"]


def read(source: Path, settings: HamSettings) -> Iterator[Record]:
    """A record for each row of the metadata, then of the challenge's test table where asked."""
    split = "train" if settings.challenge_test else None
    yield from _rows(source, first_of(source, METADATA), settings.images, split)
    if settings.challenge_test:
        yield from _rows(source, TEST, TEST_IMAGES, "test")


def _rows(source: Path, name: str, folders: list[str], split: str | None) -> Iterator[Record]:
    table = open_table(source, name, COLUMNS)
    index = ImageIndex(source, folders)
    for reference, row in rows(name, table):
        image = text(row["image_id"])
        content, problem = index.locate(f"{image}.jpg" if image else None)
        yield Record(
            reference=reference,
            content=content,
            label=text(row["dx"]),
            group=text(row["lesion_id"]),
            split=split,
            subgroups={
                "age": age(row["age"]),
                "sex": text(row["sex"]),
                "localization": text(row["localization"]),
                "site": text(row.get(SITE)),
            },
            problem=problem,
        )


readers.add("ham10000", Reader(HamSettings, read))
