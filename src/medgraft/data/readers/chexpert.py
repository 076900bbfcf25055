"""Reader `chexpert`: CheXpert, chest X-rays with 14 observations mined from reports (Irvin et al. 2019).

Layout as downloaded (https://stanfordmlgroup.github.io/competitions/chexpert/, v1.0 and v1.0-small): `train.csv` and
`valid.csv` beside `train/` and `valid/`, with Path
(`CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg`; the first folder is where the archive was packed,
and does not count), Sex, Age, Frontal/Lateral, AP/PA, and a column an observation: 1, 0, -1 (uncertain) or blank (not
mentioned). Header and rows were confirmed in public tests and READMEs that quote them.

`uncertain` is U-Ignore (`unknown`), U-Ones or U-Zeros of the paper (https://arxiv.org/abs/1901.07031).

**No Finding** is 1 where the labeller found no pathology positive or uncertain, and in train.csv blank, not 0,
elsewhere. It is no class here: as one, it would have no negatives, and it says nothing that the pathologies do not.
But it says that blank pathologies of its row are absent rather than unknown, and so they are read, whatever `blank`
is; an image of which nothing else is known would be lost otherwise. Support Devices is no pathology: it stays as it
is. A row with No Finding and a pathology contradicts itself, and is quarantined.

**valid.csv** (200 studies read by three radiologists) becomes the test split by default: it is the one part whose
labels do not come from reports, and the publisher's own test set is not in the download. Validation is taken from
train.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from medgraft.data.readers.files import inside, located
from medgraft.data.readers.multilabel import CONTRADICTION, MultilabelSettings, Truths, truths_of_row
from medgraft.data.readers.reader import Reader, Record, readers, split_name
from medgraft.data.readers.table import age, open_table, rows, text

TABLES = ("train", "valid")
PATHOLOGIES = [
    *(
        "Enlarged Cardiomediastinum",
        "Cardiomegaly",
        "Lung Opacity",
        "Lung Lesion",
        "Edema",
        "Consolidation",
        "Pneumonia",
    ),
    *("Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture"),
]
DEVICES = "Support Devices"
NO_FINDING = "No Finding"
ABOUT = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"]
PATH = re.compile(r"(?:^|/)((?:train|valid|test)/(patient\d+)/(study\d+)/[^/]+)$")


class ChexpertSettings(MultilabelSettings):
    """What uncertain and blank labels become, which views are wanted, and the publisher's division."""

    frontal_only: bool = Field(False, description="Leave lateral views out.")
    official_split: bool = Field(True, description="Keep train and valid apart; false: divide anew, by patient.")
    split_values: dict[str, str] = Field(
        default_factory=lambda: {"valid": "test"}, description="What the tables train and valid become."
    )

    @property
    def grouped(self) -> bool:
        """The patient is a folder of the path."""
        return True

    @property
    def labels(self) -> list[str]:
        """The 12 pathologies and Support Devices."""
        return [*PATHOLOGIES, DEVICES]

    @property
    def subgroup_columns(self) -> list[str]:
        """Age in years, sex, the view (Frontal, Lateral) and the projection (AP, PA, …)."""
        return ["age", "sex", "view", "projection"]


def read(source: Path, settings: ChexpertSettings) -> Iterator[Record]:
    """A record for each row of the two tables (each frontal view, where only these are asked for)."""
    for name in TABLES:
        table = open_table(source, f"{name}.csv", [*ABOUT, NO_FINDING, *settings.labels])
        for reference, row in rows(f"{name}.csv", table):
            view = text(row["Frontal/Lateral"])
            if settings.frontal_only and view == "Lateral":
                continue
            found = PATH.search(text(row["Path"]) or "")
            content, no_image = located(inside(source, found[1]) if found else None)
            labels, bad_label = _truths(row, settings)
            yield Record(
                reference=reference,
                content=content,
                labels=labels,
                group=found[2] if found else None,
                study=f"{found[2]}/{found[3]}" if found else None,
                split=split_name(name, settings.split_values, reference) if settings.official_split else None,
                subgroups={
                    "age": age(row["Age"]),
                    "sex": text(row["Sex"]),
                    "view": view,
                    "projection": text(row["AP/PA"]),
                },
                problem=no_image or bad_label,
            )


def _truths(row: Mapping[str, Any], settings: ChexpertSettings) -> Truths:
    nothing, problem = truths_of_row(row, [NO_FINDING], "unknown", "unknown")
    healthy = nothing is not None and nothing[NO_FINDING] == 1
    blank = "zeros" if healthy else settings.blank
    pathologies, unclear = truths_of_row(row, PATHOLOGIES, settings.uncertain, blank)
    devices, unclear_too = truths_of_row(row, [DEVICES], settings.uncertain, settings.blank)
    if pathologies is None or devices is None or problem:
        return None, problem or unclear or unclear_too
    if healthy and 1 in pathologies.values():
        return None, CONTRADICTION
    return pathologies | devices, None


readers.add("chexpert", Reader(ChexpertSettings, read))
