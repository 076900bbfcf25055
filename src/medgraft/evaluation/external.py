"""A model that is fixed, on data it was not chosen on: the figures of an evaluation, with nothing fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from medgraft.data.labels import Label
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.failures import Failures, failures
from medgraft.evaluation.judge import Judge
from medgraft.evaluation.parts import part, part_warnings
from medgraft.evaluation.prevalence import decision_curves
from medgraft.evaluation.readout import Reading, Readout, reading
from medgraft.evaluation.subgroups import subgroups
from medgraft.evaluation.testing import calibration, figures

Facts = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Assessment:
    """What a fixed model shows.

    `test` is as `candidates[c].test` of metrics.json but for its seeds, `calibration` as its `calibration.after`,
    `subgroups` as there; `decision_curve` holds the rows of plots/decision_curve.csv without the candidate. `warnings`
    are sentences a report must carry. `reading` is what they were made from.
    """

    reading: Reading
    units: int
    test: Facts
    calibration: Facts
    subgroups: list[Facts]
    decision_curve: list[Facts]
    failures: Failures
    warnings: list[str]


def assess(
    name: str,
    rows: pl.DataFrame,
    labels: Mapping[str, Label],
    probabilities: Mapping[str, Sequence[float] | Floats],
    readout: Readout,
    by: Judge,
    columns: Sequence[str],
) -> Assessment:
    """The figures of one model by its own temperature (already applied) and thresholds.

    `rows`: of a dataset artifact; `labels` and `probabilities` (calibrated, [C]) by image id, of every row whose label
    is known; `readout`: see `fixed_readout`; `by`: the classes that have enough patients here; `columns`: subgroups.
    Raises `UserError` for an image without a prediction, and as `part` does.
    """
    of = part(name, rows, labels, by)
    missing = [image_id for image_id in of.image_ids if image_id not in probabilities]
    if missing:
        raise UserError(f"{len(missing)} of {len(of.rows)} images of {name} have no prediction; predict them all")
    p = np.array([probabilities[image_id] for image_id in of.image_ids], dtype=np.float64)
    read = reading(of, readout, p)
    return Assessment(
        read,
        len(of.truths),
        figures(read),
        calibration(read),
        subgroups(read, columns),
        decision_curves(read),
        failures(read),
        part_warnings(of),
    )
