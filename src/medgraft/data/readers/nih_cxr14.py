"""Reader `nih_cxr14`: NIH ChestX-ray14, frontal chest X-rays with 14 findings mined from reports (Wang et al. 2017).

Layout as downloaded (https://nihcc.app.box.com/v/ChestXray-NIHCC, or Kaggle's copy): `Data_Entry_2017.csv` or
`Data_Entry_2017_v2020.csv` (Image Index, Finding Labels with `|` between them, Follow-up #, Patient ID, Patient Age,
Patient Gender, in the newest release Patient Sex, View Position, …), `train_val_list.txt` and `test_list.txt` (a name
a line), and images in `images/` or in `images_001/images/` to `images_012/images/`. Header and rows were confirmed in
PyHealth's tests and in READMEs that quote the file, folders and lists in suinleelab/cxr_covid (GitHub).

"No Finding" means that all 14 are absent. Ages are years ("058", "058Y", "013M" in the first release); ages that
nobody reaches (the set has 411) are unknown. A patient is the eight digits that the names of files begin with, in
every release. The publisher's two lists divide by patient; validation is taken from the first.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from medgraft.data.readers.files import Folders, ImageIndex
from medgraft.data.readers.multilabel import truths_of_list
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.readers.table import age, first_of, open_table, rows, text
from medgraft.errors import UserError

TABLES = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
FINDINGS = [
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
]
NEGATIVE = "No Finding"


class NihSettings(ReaderSettings):
    """Where the images are, and whether the publisher's division is kept."""

    images: Folders = Field(["images", "images_*/images"], description="Folders that hold the images (glob patterns).")
    official_split: bool = Field(
        True, description="Keep the publisher's lists of train and test; false: divide anew, by patient."
    )

    @property
    def grouped(self) -> bool:
        """By Patient ID."""
        return True

    @property
    def labels(self) -> list[str]:
        """The 14 findings."""
        return FINDINGS

    @property
    def subgroup_columns(self) -> list[str]:
        """Age in years, sex, and the view (PA, AP)."""
        return ["age", "sex", "view"]


def read(source: Path, settings: NihSettings) -> Iterator[Record]:
    """A record for each row of the table; raises `UserError` where a list is missing or the two lists overlap."""
    name = first_of(source, TABLES)
    table = open_table(source, name, COLUMNS, also={"Patient Sex": "Patient Gender"})
    index = ImageIndex(source, settings.images)
    splits = _splits(source) if settings.official_split else {}
    for reference, row in rows(name, table):
        image, patient = text(row["Image Index"]), text(row["Patient ID"])
        content, no_image = index.locate(image)
        named = (text(row["Finding Labels"]) or "").split("|")
        labels, bad_label = truths_of_list(named, FINDINGS, NEGATIVE, "unknown")
        yield Record(
            reference=reference,
            content=content,
            labels=labels,
            group=patient.zfill(8) if patient else None,
            split=splits.get(image or ""),
            subgroups={
                "age": age(row["Patient Age"]),
                "sex": text(row["Patient Gender"]),
                "view": text(row["View Position"]),
            },
            problem=no_image or bad_label,
        )


def _splits(source: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, split in LISTS.items():
        try:
            lines = (source / name).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"dataset.source has no list {name} that can be read ({type(error).__name__}); download it, or set "
                "dataset.reader.official_split: false"
            ) from None
        both = sum(found.get(line, split) != split for line in lines)
        if both:
            raise UserError(f"{both} images are in both {' and '.join(LISTS)}; download the lists again")
        found |= dict.fromkeys(lines, split)
    return found


readers.add("nih_cxr14", Reader(NihSettings, read))
