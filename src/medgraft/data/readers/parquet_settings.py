"""Settings of the reader `parquet`."""

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from medgraft.data.readers.multilabel import MultilabelSettings
from medgraft.data.readers.table import SECRETS, refuse_secrets


class ParquetSettings(MultilabelSettings):
    """Which files, and what their columns mean."""

    # `labels` is what every reader tells its classes by, so the setting of that name needs another one inside.
    model_config = ConfigDict(populate_by_name=True)

    files: str = Field("**/*.parquet", description="The files below the source, as a pattern; read in order of names.")
    image: str = Field("image", description="Column with the image: {bytes, path}, or bytes.")
    label: str | None = Field(
        None, description="Column with the class: as text, or the numbers of a ClassLabel (-1: no label)."
    )
    findings: list[str] | None = Field(
        None,
        alias="labels",
        min_length=1,
        validate_default=True,
        description="Multilabel: a column a class, of 1, 0, -1 (uncertain) or nothing; with `lists`, the classes.",
    )
    lists: str | None = Field(
        None,
        description="Multilabel: column of lists, of the classes that are present (an empty one: none), or of a 1, 0, "
        "-1 or nothing for each class, in the order of `labels`.",
    )
    negative: str | None = Field(
        None, description="With `lists`: the word that says that no class is present, `No Finding`."
    )
    group: str | None = Field(
        None, description="Column with the patient (or lesion): the rows of one never straddle splits."
    )
    study: str | None = Field(None, description="Column with the study (examination) within the patient.")
    split: str | None = Field(None, description="Column with an official split; empty cells are divided by us.")
    split_values: dict[str, str] = Field(
        default_factory=dict, description="What the source's words for splits mean, e.g. `{val: validation}`."
    )
    split_in_name: bool = Field(
        False, description="The name of each file begins with its split: `train-00000-of-00001.parquet`."
    )
    subgroups: list[str] = Field(
        default_factory=list,
        description="Columns kept for reports on subgroups; nothing else of the table is kept but `dates`.",
    )
    dates: list[str] = Field(
        default_factory=list, description="Columns kept that hold dates (any other cell is dropped)."
    )

    @field_validator("findings")
    @classmethod
    def _one_way(cls, findings: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if (findings is None) == (info.data.get("label") is None):
            raise ValueError("name either the column with the class in `label`, or the classes in `labels`")
        if len(set(findings or [])) < len(findings or []):
            raise ValueError("names a class twice")
        return findings

    @field_validator("lists", "negative")
    @classmethod
    def _with_labels(cls, value: str | None, info: ValidationInfo) -> str | None:
        needed = "lists" if info.field_name == "negative" else "findings"
        if value is not None and info.data.get(needed) is None:
            raise ValueError("means something with `labels` (and `negative` with `lists`) only")
        return value

    @field_validator("split_in_name")
    @classmethod
    def _one_split(cls, split_in_name: bool, info: ValidationInfo) -> bool:
        if split_in_name and info.data.get("split") is not None:
            raise ValueError("excludes `split`; take one of the two out")
        return split_in_name

    @field_validator("subgroups", "dates")
    @classmethod
    def _nothing_secret(cls, kept: list[str], info: ValidationInfo) -> list[str]:
        refuse_secrets(kept, info.data, SECRETS | {"lists": SECRETS["label"], "image": "images are kept anyway"})
        if info.field_name == "dates" and set(kept) & set(info.data.get("subgroups", [])):
            raise ValueError("a column is among `subgroups`, too, and would be kept as it is; take it out there")
        return kept

    @property
    def grouped(self) -> bool:
        """Whether there is a patient column."""
        return self.group is not None

    @property
    def labels(self) -> list[str] | None:
        """The classes that have truths of their own; None where each image has one class."""
        return self.findings

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns to carry along, dates among them."""
        return [*self.subgroups, *self.dates]

    @property
    def date_columns(self) -> list[str]:
        """Those of them that hold dates."""
        return self.dates

    @property
    def columns(self) -> list[str]:
        """Every column that is read."""
        labels = [self.lists] if self.lists else self.findings or []
        named = [self.image, self.label, *labels, self.group, self.study, self.split, *self.subgroup_columns]
        return list(dict.fromkeys(column for column in named if column is not None))
