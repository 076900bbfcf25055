"""Reader `messidor`: Messidor-2 and Messidor, fundus photographs graded for retinopathy and for macular edema.

Messidor-2 (`edition: messidor-2`, https://www.adcis.net/en/third-party/messidor2/) comes as `IMAGES/` and the table
`messidor-2.csv` (`left;right`, a row an examination); its grades (0 to 4) come from elsewhere, the adjudicated ones
of Krause et al. 2018 as `messidor_data.csv` (https://www.kaggle.com/datasets/google-brain/messidor2-dr-grades:
image_id, adjudicated_dr_grade, adjudicated_dme, adjudicated_gradable; another copy calls the first two id_code and
diagnosis). The two eyes of an examination are one group. Images that could not be graded have no label.

Messidor (`edition: messidor`, https://www.adcis.net/en/third-party/messidor/) comes in twelve parts, `Base11` to
`Base34`, each with a sheet `Annotation_Base11.xls` (Image name, Ophthalmologic department, Retinopathy grade from 0
to 3, Risk of macular edema from 0 to 2): save the sheets as CSV. It names no patients: say `dataset.ungrouped: true`.

Columns, the semicolon, the space at the end of "Risk of macular edema " and `.jpg` in the table for `.JPG` on disk
were confirmed in public loaders of the sets (BenchMD's among them), not in the files themselves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from medgraft.data.readers.files import Folders, ImageIndex
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.readers.table import open_table, rows, text
from medgraft.errors import UserError

PAIRS = "messidor-2.csv"
SHEETS = "Annotation_Base*.csv"
OTHER_NAMES = {"id_code": "image_id", "diagnosis": "adjudicated_dr_grade"}
COLUMNS = {
    "messidor-2": {"image": "image_id", "retinopathy": "adjudicated_dr_grade", "edema": "adjudicated_dme"},
    "messidor": {"image": "Image name", "retinopathy": "Retinopathy grade", "edema": "Risk of macular edema"},
}
DEPARTMENT = "Ophthalmologic department"


class MessidorSettings(ReaderSettings):
    """Which of the two sets, and which of the two grades."""

    edition: Literal["messidor-2", "messidor"] = Field("messidor-2", description="Which set.")
    grade: Literal["retinopathy", "edema"] = Field("retinopathy", description="Which grade is the label.")
    images: Folders = Field(
        ["IMAGES", "images", "Base[1-3][1-4]"], description="Folders that hold the images (glob patterns)."
    )

    @property
    def grouped(self) -> bool:
        """Messidor-2 knows which eyes are of one examination."""
        return self.edition == "messidor-2"

    @property
    def subgroup_columns(self) -> list[str]:
        """Messidor tells the department."""
        return [] if self.edition == "messidor-2" else ["site"]


def read(source: Path, settings: MessidorSettings) -> Iterator[Record]:
    """A record for each row of the table of grades; an image without a pair has no group."""
    columns = COLUMNS[settings.edition]
    paired = settings.edition == "messidor-2"
    index = ImageIndex(source, settings.images)
    examinations = _examinations(source) if paired else {}
    for name in ["messidor_data.csv"] if paired else _sheets(source):
        wanted = [columns["image"], columns[settings.grade], *([] if paired else [DEPARTMENT])]
        table = open_table(source, name, wanted, also=OTHER_NAMES)
        for reference, row in rows(name, table):
            image = text(row[columns["image"]])
            content, problem = index.locate(image)
            yield Record(
                reference=reference,
                content=content,
                label=_whole(text(row[columns[settings.grade]])),
                group=examinations.get(image.casefold()) if image else None,
                subgroups={} if paired else {"site": text(row[DEPARTMENT])},
                problem=problem,
            )


def _examinations(source: Path) -> Mapping[str, str]:
    """Images (in lower case) → an id of their examination: the name of its first image."""
    found: dict[str, str] = {}
    for reference, row in rows(PAIRS, open_table(source, PAIRS, ["left", "right"])):
        eyes = [eye.casefold() for eye in (text(row["left"]), text(row["right"])) if eye]
        for eye in eyes:
            if eye in found:
                raise UserError(f"{reference}: names an image that an earlier row names; correct the table")
        found |= dict.fromkeys(eyes, eyes[0] if eyes else "")
    return found


def _sheets(source: Path) -> list[str]:
    names = sorted(path.name for path in source.glob(SHEETS))
    if not names:
        raise UserError(f"dataset.source has no {SHEETS}; save the sheets Annotation_Base*.xls as CSV beside them")
    return names


def _whole(grade: str | None) -> str | None:
    """`2.0`, as tables with empty grades write it, is the grade `2`."""
    return grade.removesuffix(".0") if grade else None


readers.add("messidor", Reader(MessidorSettings, read))
