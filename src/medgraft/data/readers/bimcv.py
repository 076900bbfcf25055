"""Reader `bimcv`: BIMCV-COVID19+ and −, chest X-rays with the labels of their reports (de la Iglesia Vayá et al. 2020).

Layout as downloaded (https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/, arXiv 2006.01174), with or without a folder
for each archive: `sub-S03542/ses-E07201/mod-rx/…_vp-pa_dx.png`, `derivatives/labels/labels_covid19_posi.tsv` (or
`labels_covid_posi.tsv`, `Labels_covid_123.tsv`, `labels_SARS-cov-2_nega.tsv`, `Labels_covid_NEG_JAN21.tsv`:
PatientID, ReportID, Report, Labels, …) and `participants.tsv` (participant, modality_dicom, age, gender, …). Columns,
names and the two ways of writing lists were confirmed in loaders (suinleelab/cxr_covid and
rilshok/BIMCV-COVID-19-interface on GitHub), not in a file of the publisher's.

**A record is an image**, for the table has a row a report, with no path: reports of CT alone are no records, and an
image without a report is unlabelled. CT volumes (`.nii.gz`) are left alone. The PNGs hold the values of DICOM files,
which `rendering` makes gray values of.

**Labels** are lists as Python writes them, in the first release with tabs between the items: a Python parser would
read `['pneumonia' \\t 'normal']` as the one word "pneumonianormal", so they are taken apart here. `findings` says
which labels mean which class, and each of them must occur in some report, or a misspelling would make everyone
healthy. What a report does not name is absent, unless it says that it does not tell (`unchanged`, `exclude`,
`suboptimal study`): then it is unknown. "COVID 19 uncertain" is the uncertain form of "COVID 19", for `uncertain`.
With `otherwise` classes exclude each other, and images of more than one are quarantined. With `arms` the class is the
folder: the positive or negative set.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from medgraft.data.mids import MidsImage
from medgraft.data.readers.bimcv_reports import Session, check_terms, read_reports, truths_of_report
from medgraft.data.readers.files import Folder, folders_of, inside, located
from medgraft.data.readers.multilabel import MultilabelSettings
from medgraft.data.readers.reader import Reader, Record, Value, readers
from medgraft.data.readers.table import age, open_table, rows, text
from medgraft.errors import UserError

IMAGES = ["sub-*/ses-*/mod-rx", "*/sub-*/ses-*/mod-rx"]
TABLES = ["derivatives/labels/[Ll]abels_*.tsv", "*/derivatives/labels/[Ll]abels_*.tsv"]
PEOPLE = ["participants.tsv", "*/participants.tsv"]
SEVERAL = "labels of more than one class"
VIEW = re.compile(r"_vp-([a-z]+)_")
FIRST_NUMBER = re.compile(r"\d+")


class BimcvSettings(MultilabelSettings):
    """What the classes are: labels of reports, or the two sets."""

    findings: dict[str, Annotated[list[str], Field(min_length=1)]] | None = Field(
        None, description="Labels of reports by class: `{COVID-19: [COVID 19, viral pneumonia]}`."
    )
    otherwise: str | None = Field(
        None, description="Class of images that have no label of `findings`; makes the classes exclude each other."
    )
    arms: dict[str, Folder] | None = Field(
        None,
        validate_default=True,
        description="Instead of `findings`, a folder a class: `{negative: bimcv-, positive: bimcv+}`.",
    )
    rendering: Literal["header", "none"] = Field(
        "header",
        description="Gray values as the JSON file beside an image says, or as in the PNG, for copies rendered before.",
    )

    @field_validator("arms")
    @classmethod
    def _one_way(cls, arms: dict[str, str] | None, info: ValidationInfo) -> dict[str, str] | None:
        if bool(arms) == bool(info.data.get("findings")):
            raise ValueError("say either which labels mean which class (`findings`), or which folder (`arms`)")
        if arms and info.data.get("otherwise"):
            raise ValueError("`otherwise` goes with `findings`; take it out")
        if info.data.get("otherwise") in (info.data.get("findings") or {}):
            raise ValueError("`otherwise` is among the classes of `findings`; take it out there")
        return arms

    @property
    def grouped(self) -> bool:
        """By subject."""
        return True

    @property
    def labels(self) -> list[str] | None:
        """The classes of `findings`, unless they exclude each other."""
        return list(self.findings) if self.findings and not self.otherwise else None

    @property
    def subgroup_columns(self) -> list[str]:
        """Age in years (the first that participants.tsv gives), sex, and what names of files say of the image."""
        return ["age", "sex", "view", "modality"]


def read(source: Path, settings: BimcvSettings) -> Iterator[Record]:
    """A record for each X-ray, sorted by path."""
    arms = settings.arms or {}
    folders = folders_of(source, [f"{arm}/{pattern}" for arm in arms.values() or ["."] for pattern in IMAGES])
    if not folders:
        raise UserError("dataset.source has no folders sub-*/ses-*/mod-rx; point it at the parent of sub-*")
    findings = settings.findings or {}
    reports = read_reports(source, TABLES) if findings else {}
    check_terms(findings, reports)
    people = _people(source)
    for number, path in enumerate(sorted(path for f in folders for path in f.glob("*.png")), start=1):
        content, problem = located(inside(source, str(path.relative_to(source))))
        if content is not None and settings.rendering == "header":
            _, problem = located(inside(source, str(path.with_suffix(".json").relative_to(source))))
            content = None if problem else MidsImage(path)
        session = Session(*path.parts[-4:-2])
        labels, unreadable = truths_of_report(reports.get(session, set()), findings, settings.uncertain, settings.blank)
        label, several = _exclusive(labels or {}, settings.otherwise)
        if arms:
            label = next(name for name, folder in arms.items() if path.is_relative_to(source / folder))
        view = VIEW.search(path.name)
        yield Record(
            reference=f"file {number}",
            content=content,
            label=label,
            labels=labels if settings.labels else None,
            group=session.patient,
            study="/".join(session),
            subgroups=people.get(session.patient, {"age": None, "sex": None})
            | {"view": view[1] if view else None, "modality": path.stem.rpartition("_")[2]},
            problem=problem or unreadable or several,
        )


def _exclusive(truths: Mapping[str, int | None], otherwise: str | None) -> tuple[str | None, str | None]:
    """The one class of an image, or why it has none."""
    if otherwise is None:
        return None, None
    present = [name for name, truth in truths.items() if truth == 1]
    if len(present) > 1:
        return None, SEVERAL
    known = truths and None not in truths.values()
    return (present[0] if present else otherwise if known else None), None


def _people(source: Path) -> Mapping[str, dict[str, Value]]:
    """Age and sex of every participant; the table is not needed."""
    found: dict[str, dict[str, Value]] = {}
    for name in sorted({path.relative_to(source).as_posix() for pattern in PEOPLE for path in source.glob(pattern)}):
        for _, row in rows(name, open_table(source, name, ["participant", "age", "gender"])):
            years = FIRST_NUMBER.search(text(row["age"]) or "")
            found[text(row["participant"]) or ""] = {"age": age(years and years[0]), "sex": text(row["gender"])}
    return found


readers.add("bimcv", Reader(BimcvSettings, read))
