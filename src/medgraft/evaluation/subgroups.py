"""Does the model serve everyone? Figures of one model in strata of what is known of patients and images."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medgraft.data.scoring import MIN_GROUPS
from medgraft.evaluation.arrays import Ints
from medgraft.evaluation.figures import class_intervals
from medgraft.evaluation.readout import Reading
from medgraft.evaluation.strata import in_order, strata

FIGURES = ("auroc", "sensitivity", "specificity")
Facts = dict[str, Any]


def subgroups(reading: Reading, columns: Sequence[str]) -> list[Facts]:
    """A fact sheet a stratum of each column: AUROC, and sensitivity and specificity at the target specificity.

    Intervals are of the same draws of patients as everywhere. A class is withheld where the stratum has fewer than 10
    patients with a positive or with a negative unit: such a figure would say more of chance than of the model. Nothing
    is adjusted for the number of strata.
    """
    part = reading.part
    found: list[Facts] = []
    for column in columns:
        names = np.array(strata(part.rows[column], part.unit))
        found += [
            {"column": column, "value": name, **_stratum(reading.units(names == name))}
            for name in in_order(names.tolist(), part.rows[column])
        ]
    return found


def _stratum(within: Reading) -> Facts:
    part, classes = within.part, within.part.by.classes
    positive, negative = part.patients(1), part.patients(0)
    kept = [c for c in part.by.scored if min(positive[c], negative[c]) >= MIN_GROUPS]
    tables = {name: class_intervals(name, within) for name in FIGURES} if kept else {}
    return {
        "images": len(part.rows),
        "groups": len(np.unique(part.groups)),
        "scored": [classes[c] for c in kept],
        "figures": {classes[c]: {name: asdict(table[c]) for name, table in tables.items()} for c in kept},
        "withheld": None if kept else _reason(positive, negative, part.by.scored),
    }


def _reason(positive: Ints, negative: Ints, scored: Sequence[int]) -> str:
    if len(scored) > 1:
        return f"fewer than {MIN_GROUPS} positive or {MIN_GROUPS} negative patients of every class"
    return f"{positive[scored[0]]} positive and {negative[scored[0]]} negative patients (fewer than {MIN_GROUPS})"
