"""What a prediction is about: an image, or all images of a study or of a patient together.

A unit's probabilities are made of its images' calibrated ones, its truth of its images' truths. `unit` int64 [images]
is the unit of each image, in 0..units-1, or -1 for images of a unit that is left out.
"""

from typing import Literal

import numpy as np
import polars as pl

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Bools, Floats, Ints
from medgraft.params import Task

Of = Literal["image", "study", "group"]
Aggregate = Literal["mean", "max"]
COLUMN = {"image": "image_id", "study": "study_id", "group": "group_id"}


def unit_of_rows(rows: pl.DataFrame, of: Of) -> Ints:
    """The unit of each row of a dataset, numbered in the order of the units' ids.

    Raises `UserError` where a row has no study, or a study has several patients: the bootstrap resamples patients, so
    a unit must lie in one.
    """
    ids = rows[COLUMN[of]]
    if missing := ids.null_count():
        raise UserError(
            f"evaluation.unit is {of}, but {missing} of {len(rows)} images have no study: the source does not say "
            "which images belong to one. Set evaluation.unit to image or group, or tell the reader of the studies"
        )
    patients = rows.group_by(ids.alias("unit")).agg(pl.col("group_id").n_unique())["group_id"]
    if several := int((patients > 1).sum()):
        raise UserError(
            f"evaluation.unit is {of}, but {several} of {len(patients)} {_PLURAL[of]} have images of several patients. "
            "Correct the study ids or the patient ids in the source, or set evaluation.unit to image or group"
        )
    return np.unique(ids.to_numpy(), return_inverse=True)[1].astype(np.int64)


_PLURAL = {"image": "images", "study": "studies", "group": "patients"}


def plural(of: Of) -> str:
    """What several units are called."""
    return _PLURAL[of]


def unit_truths(truths: Floats, unit: Ints, task: Task) -> tuple[Floats, Bools]:
    """Truths [images, C] → those of the units [units, C], and which units [units] contradict themselves.

    Binary and ordinal: the highest class among the images. Multilabel: present if in any image, absent only if known to
    be absent in all, else unknown. Multiclass: the images must agree; where they don't, the truth means nothing.
    """
    units, classes = unit.max(initial=-1) + 1, truths.shape[1]
    present, absent = (_any(truths == value, unit, units) for value in (1, 0))
    if task == "multilabel":
        unknown = _any(np.isnan(truths), unit, units)
        return np.where(present, 1.0, np.where(absent & ~unknown, 0.0, np.nan)), np.zeros(units, dtype=np.bool_)
    highest = classes - 1 - present[:, ::-1].argmax(axis=1)
    several = present.sum(axis=1) > 1
    contradicts = several if task == "multiclass" else np.zeros(units, dtype=np.bool_)
    return (highest[:, None] == np.arange(classes)).astype(np.float64), contradicts


def aggregate(p: Floats, unit: Ints, task: Task, how: Aggregate) -> Floats:
    """Probabilities [images, C] → [units, C]: the mean over a unit's images, or the largest.

    The largest is of each label (multilabel), or of the positive class (binary; the negative's is 1 minus that).
    Raises `ValueError` for the largest of other tasks: probabilities would not add up to one.
    """
    units = unit.max(initial=-1) + 1
    kept = unit >= 0
    if how == "mean":
        sums = np.zeros((units, p.shape[1]))
        np.add.at(sums, unit[kept], p[kept])
        return sums / np.bincount(unit[kept], minlength=units)[:, None]
    if task not in ("binary", "multilabel"):
        raise ValueError(f"the largest probability is for binary and multilabel tasks, not for {task}")
    largest = np.zeros((units, p.shape[1]))
    np.maximum.at(largest, unit[kept], p[kept])
    return largest if task == "multilabel" else np.stack([1 - largest[:, 1], largest[:, 1]], axis=1)


def _any(holds: Bools, unit: Ints, units: int) -> Bools:
    found = np.zeros((units, holds.shape[1]), dtype=np.bool_)
    np.logical_or.at(found, unit[unit >= 0], holds[unit >= 0])
    return found
