"""Settings of the reader `dicom`."""

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from medgraft.catalog import nearest
from medgraft.data.dicom.tags import DATES, KEPT
from medgraft.data.dicom.windows import Asked, Window
from medgraft.data.readers.multilabel import MultilabelSettings
from medgraft.params import Settings

SITE = "site"


class Join(Settings):
    """How a row of the table finds its images."""

    column: str = Field(description="Column of the table.")
    tag: Literal[
        "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID", "path", "stem"
    ] = Field(
        description="What of an image stands in that column: a tag, the `path` of its file below the source, or the "
        "`stem` (the file's name without folder and extension)."
    )


class Centred(Settings):
    """A window by its numbers."""

    center: float = Field(description="The value that becomes the middle gray, in the units that rescaling gives.")
    width: float = Field(ge=1, description="How many of these units are spread from black to white.")


class DicomSettings(MultilabelSettings):
    """Which images, how they become gray, where their labels come from, and what else of a header is kept."""

    # `labels` is what every reader tells its classes by, so the setting of that name needs another one inside.
    model_config = ConfigDict(populate_by_name=True)

    window: Window | Centred | None = Field(
        None, description="A window for CT by name, or centre and width; left out: the one that each file brings."
    )
    frames: Literal["all", "middle"] = Field(
        "all", description="Of files with several frames: every frame an image of its own, or the middle one."
    )
    burned_in: Literal["quarantine", "strict", "keep"] = Field(
        "quarantine",
        description="Images that say that text is burned in are quarantined; `strict`: also those that do not deny it.",
    )
    secondary_capture: Literal["quarantine", "keep"] = Field(
        "quarantine", description="Copies of screens, films and pages, which often show names."
    )
    label_from: Literal["folder"] | None = Field(
        None, description="`folder`: the folder right below the source names the class."
    )
    table: str | None = Field(None, description="CSV or Parquet file with labels, relative to the source.")
    join: Join | None = Field(
        None, validate_default=True, description="How the rows of the table and the images find each other."
    )
    label: str | None = Field(None, validate_default=True, description="Column of the table with the label.")
    findings: list[str] | None = Field(
        None,
        alias="labels",
        min_length=1,
        validate_default=True,
        description="Multilabel: columns of the table, one a class, of 1, 0, -1 (uncertain) or nothing.",
    )
    split: str | None = Field(None, description="Column of the table with an official split.")
    split_values: dict[str, str] = Field(
        default_factory=dict, description="What values of the split column mean, e.g. `{val: validation}`."
    )
    subgroups: list[str] = Field(
        default_factory=list, description="Tags kept for reports on subgroups, from a short list; nothing else is kept."
    )
    sites: dict[str, str] = Field(
        default_factory=dict,
        description="Institution names as in the files, and the alias that is kept for each in the column `site`.",
    )
    dates: list[str] = Field(
        default_factory=list, description="Date tags kept, shifted by days that are secret and the patient's own."
    )

    @field_validator("join")
    @classmethod
    def _with_table(cls, join: Join | None, info: ValidationInfo) -> Join | None:
        if (join is None) != (info.data.get("table") is None):
            raise ValueError("`table` and `join` need each other")
        return join

    @field_validator("label")
    @classmethod
    def _one_source(cls, label: str | None, info: ValidationInfo) -> str | None:
        if label is not None and info.data.get("table") is None:
            raise ValueError("needs `table`")
        if label is not None and info.data.get("label_from") is not None:
            raise ValueError("excludes `label_from`; take one of the two out")
        return label

    @field_validator("findings")
    @classmethod
    def _one_way(cls, findings: list[str] | None, info: ValidationInfo) -> list[str] | None:
        named = [info.data.get(name) is not None for name in ("label", "label_from")]
        if findings is not None and (any(named) or info.data.get("table") is None):
            raise ValueError("needs `table`, and neither `label` nor `label_from`")
        if findings is None and not any(named) and info.data.get("table") is not None:
            raise ValueError("name the table's column with the label in `label`, or a column a class in `labels`")
        if len(set(findings or [])) < len(findings or []):
            raise ValueError("names a column twice")
        return findings

    @field_validator("split")
    @classmethod
    def _in_table(cls, split: str | None, info: ValidationInfo) -> str | None:
        if split is not None and info.data.get("table") is None:
            raise ValueError("needs `table`")
        return split

    @field_validator("subgroups", "dates")
    @classmethod
    def _allowed(cls, tags: list[str], info: ValidationInfo) -> list[str]:
        allowed = tuple(KEPT) if info.field_name == "subgroups" else DATES
        for tag in tags:
            if tag == "InstitutionName":
                raise ValueError("institutions are kept under an alias only: list them in `sites`")
            if tag not in allowed:
                raise ValueError(f"'{tag}'{nearest(tag, allowed)} is not among the tags kept: {', '.join(allowed)}")
        if len(set(tags)) < len(tags):
            raise ValueError("names a tag twice")
        return tags

    @property
    def grouped(self) -> bool:
        """Every DICOM file has a place for the patient's id."""
        return True

    @property
    def labels(self) -> list[str] | None:
        """The classes that have truths of their own; None where each image has one class."""
        return self.findings

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along: tags, the site's alias, dates."""
        return [*self.subgroups, *([SITE] if self.sites else []), *self.dates]

    @property
    def date_columns(self) -> list[str]:
        """Those of them that hold dates."""
        return self.dates

    @property
    def shown_through(self) -> Asked | None:
        """The window for all images."""
        return (self.window.center, self.window.width) if isinstance(self.window, Centred) else self.window
