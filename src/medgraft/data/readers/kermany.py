"""Reader `kermany`: OCT2017 and ChestXRay2017 (Kermany et al. 2018, doi:10.17632/rscbjbr9sj, and Kaggle's copies).

Layout: `train|val|test/<class>/<image>.jpeg`; Mendeley's archives have no `val`. The publisher says that images are
named "(disease)-(randomized patient ID)-(image number by this patient)": `CNV-1016042-1.jpeg`,
`BACTERIA-7422-0001.jpeg`. Kaggle's chest X-rays have other names: `person100_bacteria_475.jpeg`, `IM-0115-0001.jpeg`,
`NORMAL2-IM-1427-0001.jpeg`. These names were confirmed in the publisher's description and in public code that uses
the sets.

**Who is one patient?** Nobody says whether one number under two diseases (two eyes, two visits, or two persons) is
one patient. Taken for two, a patient may be learned and tested on, and nobody would see it; taken for one, two
persons are merely kept together. So a number is one patient by default, whatever the disease. The names of Kaggle's
chest X-rays look as if bacterial, viral and normal images were numbered each from 1, and there `patient: number in
class` is likely true; that is for a user to say. `person7` and `IM-0007` are never taken for one: these are numbers
of different lists.

Patients then straddle the publisher's splits, or seem to, and ingestion refuses that. `official_split: false` divides
anew, by patient; an improper split of OCT2017 inflated accuracy by 5 to 30 points (Tampu et al. 2022,
doi:10.1038/s41597-022-01618-6). Kaggle's `val` of the chest X-rays has 16 images, too few to choose by:
`split_values: {val: train}` adds them to train.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from medgraft.data.readers.files import folders_of, inside, located
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers, split_name
from medgraft.errors import UserError

SPLIT_FOLDERS = ("train", "val", "test")
SUFFIXES = (".jpeg", ".jpg", ".png")
# What stands before the number of the image, without and with the disease.
NUMBER = re.compile(r"person\d+|IM-\d+|\d+(?=-\d+\.)")
NUMBER_IN_CLASS = re.compile(r"person\d+_[a-z]+|([A-Z]+\d*-)?IM-\d+|[A-Z]+-\d+(?=-\d+\.)")


class KermanySettings(ReaderSettings):
    """How patients are told apart, and whether the publisher's division is kept."""

    patient: Literal["number", "number in class"] = Field(
        "number", description="What one patient is: a number in the names of files, or a number and a disease."
    )
    official_split: bool = Field(True, description="Keep the publisher's splits; false: divide anew, by patient.")
    split_values: dict[str, str] = Field(
        default_factory=lambda: {"val": "validation"}, description="What the folders train, val and test become."
    )

    @property
    def grouped(self) -> bool:
        """Names of files hold the number of a patient."""
        return True


def read(source: Path, settings: KermanySettings) -> Iterator[Record]:
    """A record for each image, sorted by path; other files (`.DS_Store`, `__MACOSX`) are left alone.

    `reference` is a number in that order, for the name of a folder would tell the label. Raises `UserError` where there
    are no such folders.
    """
    pattern = NUMBER if settings.patient == "number" else NUMBER_IN_CLASS
    classes = folders_of(source, [f"{split}/*" for split in SPLIT_FOLDERS])
    if not classes:
        raise UserError("dataset.source has no folders train/<class> or test/<class>; point it at their parent")
    paths = sorted(p for folder in classes for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    for number, path in enumerate(paths, start=1):
        reference = f"file {number}"
        content, problem = located(inside(source, path.relative_to(source).as_posix()))
        found = pattern.search(path.name)
        split, label = path.parts[-3:-1]
        yield Record(
            reference=reference,
            content=content,
            label=label,
            group=found[0] if found else None,
            split=split_name(split, settings.split_values, reference) if settings.official_split else None,
            problem=problem,
        )


readers.add("kermany", Reader(KermanySettings, read))
