"""The schema of params.yaml, the one file a user edits.

Readers, initializations and strategies have settings of their own, checked by the catalog that knows them;
here they are mappings with the key that names them (`reader.type`, `method`, `strategy`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Task = Literal["binary", "multiclass", "ordinal", "multilabel"]
Share = Annotated[float, Field(gt=0, lt=1)]


class Settings(BaseModel):
    """A block of settings: unknown keys are mistakes, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Settings):
    """Which images, how they are read, and what a label means."""

    name: Name = Field(description="What reports and the registry call this set of images.")
    source: str = Field(
        description="Where the images lie: a folder, a file of the reader's format, a `.zip` or `.tar`, `s3://…`, `dvc://…`."
    )
    reader: dict[str, Any] = Field(
        description="How the source is laid out: `type` names a reader, the rest are its settings."
    )
    task: Task = Field(
        description="Kind of label: two classes, more that exclude each other, grades in order, or findings that may occur together."
    )
    classes: list[str] = Field(
        min_length=2,
        description="Every label value, as text. Binary: negative first, positive second. Ordinal: lowest grade first.",
    )
    ungrouped: bool = Field(
        False,
        description="True only if no patient column exists: one patient's images may then be in train and test, and every report says so.",
    )
    group_key: str = Field(
        "env:MEDGRAFT_GROUP_KEY",
        pattern=r"^(public|env:[A-Z_][A-Z0-9_]*)$",
        description="Secret that turns patient ids into HMACs: `env:NAME`, or `public` for data whose ids are public already.",
    )
    unlabelled: Literal["quarantine", "keep"] = Field(
        "quarantine", description="Images without a label: quarantined, or kept in the split `unlabelled`."
    )
    max_pixels: int = Field(
        100_000_000, ge=1, description="Images with more pixels than this are quarantined before they are decoded."
    )
    white: int | None = Field(
        None,
        ge=256,
        le=65535,
        description="Value of images with more than 8 bits that becomes white; left out: all bits that the largest value of the whole set needs.",
    )
    near_duplicates: bool = Field(
        True,
        description="Look for the same picture under other pixels (re-encoded, resized), not only for equal pixels.",
    )
    max_quarantined: float = Field(
        0.05, ge=0, lt=1, description="Ingestion fails when a larger share of the rows is quarantined."
    )


class HeldOut(Settings):
    """The part of the data that becomes the test split as a whole."""

    column: str = Field(description="A subgroup column of the reader, e.g. `site`.")
    value: str = Field(coerce_numbers_to_str=True, description="The value whose patients become the test split.")


class Split(Settings):
    """How patients are divided; ignored for rows whose source already names a split."""

    validation: Share = Field(0.2, description="Share of the images for choosing (by whole patients).")
    test: Share = Field(0.2, description="Share of the images whose labels are sealed until the choice is made.")
    seed: int = Field(0, ge=0, description="Another seed gives another division.")
    held_out: HeldOut | None = Field(
        None, description="Test on one site alone (leave one site out): all patients whose column has this value."
    )
    only_test: bool = Field(
        False, description="All labelled images to test: a set for `medgraft validate`, on which nothing is trained."
    )


class Augmentation(Settings):
    """Random changes to training images. No hue, solarize or grayscale: they destroy signs in medical images."""

    flips: Literal["none", "horizontal", "vertical", "both"] = Field(
        "none", description="Mirrored views; leave `none` where left and right mean something."
    )
    rotation: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees.")
    scale: float = Field(0.1, ge=0, lt=1, description="Largest relative zoom in or out.")
    translate: float = Field(0.05, ge=0, lt=1, description="Largest shift, as a share of the image's side.")
    brightness: float = Field(0.1, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.1, ge=0, lt=1, description="Largest relative change of contrast.")


class Study(Settings):
    """What every candidate gets alike: label fractions, seeds and the cost ceiling."""

    fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [1.0],
        min_length=1,
        description="Shares of the training labels, taken by whole patients; 1.0 must be among them.",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [0], min_length=1, description="Repeats; the first one's model is the one that is packaged."
    )
    batch_size: int = Field(32, ge=2, description="Images per optimiser step.")
    max_images: int = Field(
        20_000,
        ge=1,
        description="Cost ceiling: training images one run may process; a head on stored features processes none.",
    )
    chunk_steps: int = Field(
        50, ge=1, description="Steps between two checkpoints; also how often validation loss is looked at."
    )
    imbalance: Literal["weighted", "none"] = Field(
        "weighted",
        description="`weighted`: cross-entropy weighted by inverse class frequency, the shift of the prior taken back from the logits afterwards.",
    )
    augmentation: Augmentation = Field(Augmentation(), description="Random changes to training images.")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="Arithmetic of training; the mixed ones are for GPUs."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto` takes a CUDA GPU where there is one.")
    workers: int = Field(
        0, ge=0, description="Processes that load training images; 0 loads them in the training process."
    )


class Evaluation(Settings):
    """How candidates are compared."""

    metric: Literal["auroc", "auprc", "balanced_accuracy", "quadratic_kappa"] = Field(
        "auroc",
        description="What the choice is made by, on validation (macro over the scored classes); quadratic_kappa is for ordinal tasks.",
    )
    reference: str | None = Field(
        None, description="Candidate the others are compared with in pairs; the first one if left out."
    )
    unit: Literal["image", "study", "group"] = Field(
        "image", description="What one prediction is about: an image, or all images of a study or of a patient (group)."
    )
    aggregate: Literal["mean", "max"] = Field(
        "mean",
        description="How the probabilities of a unit's images become one; `max` for binary and multilabel tasks.",
    )
    specificity: Share = Field(
        0.9, description="Specificity at which sensitivity is stated; the threshold comes from validation."
    )
    sensitivity: Share = Field(
        0.9, description="Sensitivity at which specificity is stated; the threshold comes from validation."
    )
    prevalence: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of positives by class where the model will be used, for PPV, NPV and the decision curve; left out: that of the test split.",
    )
    draws: int = Field(2000, ge=2000, description="Bootstrap draws over patients.")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap.")


class Gate(Settings):
    """What a model must show on the test split before `medgraft promote` makes it champion."""

    minimum: float = Field(0.5, ge=0, le=1, description="The metric's 95 % interval must not reach below this.")
    margin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Against a present champion: the one-sided 95 % lower bound of the difference must lie above minus this.",
    )


class Registration(Settings):
    """Where the chosen model goes."""

    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name in the MLflow model registry.")
    experiment: str = Field("medgraft", min_length=1, description="MLflow experiment that holds the runs.")
    tracking_uri: str = Field(
        "http://127.0.0.1:5000", description="MLflow server; the environment variable MLFLOW_TRACKING_URI wins over it."
    )
    gate: Gate = Field(Gate(), description="Conditions for promotion.")


class Params(Settings):
    """All of params.yaml."""

    dataset: Dataset = Field(description="The images and their labels.")
    split: Split = Field(Split(), description="How patients are divided.")
    initializations: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="Named initial weights: `method` and its settings."
    )
    candidates: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="Named recipes: `strategy`, the `initialization` it starts from, and its settings."
    )
    study: Study = Field(Study(), description="What every candidate gets alike.")
    evaluation: Evaluation = Field(Evaluation(), description="How candidates are compared.")
    registration: Registration = Field(description="Where the chosen model goes.")
