"""A split with its labels: the images, and the units that figures are about, with truths and weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from medgraft.data.labels import Label
from medgraft.data.labels import truths as truth_table
from medgraft.data.scoring import MIN_GROUPS
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Bools, Floats, Ints
from medgraft.evaluation.judge import Judge
from medgraft.evaluation.uncertainty import Resampling, cluster_weights, resampling
from medgraft.evaluation.units import aggregate, plural, unit_of_rows, unit_truths


@dataclass(frozen=True, eq=False)
class Part:
    """Of each image: a row of the dataset (sorted by image id), its label, truths [images, C], its unit.

    Of each unit: truths [units, C], patient int64 [units] (an index), weights. `unit` is int64 [images], -1 where the
    image belongs to one of the `left_out` units whose images contradict each other.
    """

    name: str
    rows: pl.DataFrame
    labels: list[Label]
    image_truths: Floats
    unit: Ints
    truths: Floats
    groups: Ints
    sampling: Resampling
    left_out: int
    by: Judge

    @property
    def image_ids(self) -> list[str]:
        """The images."""
        return self.rows["image_id"].to_list()

    def of_units(self, p: Floats) -> Floats:
        """Probabilities [images, C] → [units, C]."""
        settings = self.by.settings
        return p if settings.unit == "image" else aggregate(p, self.unit, self.by.task, settings.aggregate)

    def units(self, which: Bools) -> "Part":
        """Some of the units [units], with their images, and the same draws of patients."""
        number = np.where(which, np.cumsum(which) - 1, -1)
        inside = (self.unit >= 0) & which[self.unit]
        return replace(
            self,
            rows=self.rows.filter(inside),
            labels=[label for label, kept in zip(self.labels, inside, strict=True) if kept],
            image_truths=self.image_truths[inside],
            unit=number[self.unit[inside]],
            truths=self.truths[which],
            groups=self.groups[which],
            sampling=self.sampling.rows(which),
        )

    def patients(self, value: int) -> Ints:
        """[C]: how many patients have a unit whose truth for the class is `value`, 1 or 0."""
        return np.array([len(np.unique(self.groups[column == value])) for column in self.truths.T], dtype=np.int64)


def part(name: str, rows: pl.DataFrame, labels: Mapping[str, Label], by: Judge) -> Part:
    """The rows of a split whose label is known, and their units.

    Raises `UserError` where the rows have no such units or fewer than two patients. Units of a multiclass task whose
    images have several classes are left out: see `refuse_contradictions`.
    """
    settings = by.settings
    known = rows.filter(pl.col("image_id").is_in(list(labels))).sort("image_id")
    found = [labels[image_id] for image_id in known["image_id"]]
    image_truths = truth_table(found, len(by.classes))
    unit = unit_of_rows(known, settings.unit)
    truths, contradicts = unit_truths(image_truths, unit, by.task)
    unit, first = _without(unit, contradicts)
    groups = np.unique(known["group_id"].to_numpy()[first], return_inverse=True)[1].astype(np.int64)
    return Part(
        name,
        known,
        found,
        image_truths,
        unit,
        truths[~contradicts],
        groups,
        resampling(groups, settings.draws, settings.seed),
        int(contradicts.sum()),
        by,
    )


def refuse_unusable(rows: pl.DataFrame, by: Judge) -> None:
    """Raise `UserError` where `part` would for rows without labels: asked of test before it is opened."""
    unit_of_rows(rows, by.settings.unit)
    for (_,), split in rows.group_by("split"):
        cluster_weights(np.unique(split["group_id"].to_numpy(), return_inverse=True)[1], 1, 0)


def refuse_contradictions(part: Part) -> None:
    """Raise `UserError` if units were left out: what a split is chosen by must be whole."""
    if part.left_out:
        raise UserError(f"{_contradictions(part)}. Set evaluation.unit to image, or correct the labels")


def part_warnings(part: Part) -> list[str]:
    """What a reader must be told: units that were left out, and scored classes with few patients as units are made.

    Classes are scored by counts of images. A patient with one positive image is no negative patient any more once the
    images are put together.
    """
    positive, negative = part.patients(1), part.patients(0)
    few = [
        f"{part.by.classes[c]}: {positive[c]} positive and {negative[c]} negative patients in {part.name}, counted by "
        f"{plural(part.by.settings.unit)} (fewer than {MIN_GROUPS}): its figures rest on few."
        for c in part.by.scored
        if min(positive[c], negative[c]) < MIN_GROUPS
    ]
    return [f"{_contradictions(part)}: they are left out of every figure."] * (part.left_out > 0) + few


def _contradictions(part: Part) -> str:
    of = part.by.settings.unit
    count = len(part.truths) + part.left_out
    return f"{part.left_out} of {count} {part.name} {plural(of)} have images of several classes"


def _without(unit: Ints, contradicts: Bools) -> tuple[Ints, Ints]:
    """The units numbered anew without those that contradict themselves (-1), and the first image of each other."""
    number = np.where(contradicts, -1, np.cumsum(~contradicts) - 1)
    renumbered = number[unit]
    kept, first = np.unique(renumbered, return_index=True)
    return renumbered, first[kept >= 0]
