"""What metrics.json says of a validation: that of an evaluation with one candidate, chosen by nothing here."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medgraft.data.labels import Label
from medgraft.data.labels import truths as truth_table
from medgraft.data.scoring import scored_classes
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.external import Assessment
from medgraft.evaluation.readout import probabilities
from medgraft.evaluation.record import LEVEL
from medgraft.evaluation.testing import losses
from medgraft.params import Task

Facts = dict[str, Any]


def scored_here(card: Mapping[str, Any], groups: list[str], labels: list[Label]) -> tuple[list[str], dict[str, str]]:
    """Classes with enough positive and negative patients in the whole set, and why others lack them.

    Raises `UserError` where no class has.
    """
    table = truth_table(labels, len(card["classes"]))
    scored, unscored = scored_classes({"test": groups}, {"test": table}, card["classes"], card["task"] == "binary")
    if not scored:
        reasons = "; ".join(f"{name}: {why}" for name, why in unscored.items())
        raise UserError(f"no class can be scored on this set ({reasons}); add labelled patients")
    return scored, unscored


def undone(p: Floats, task: Task, temperature: float) -> Floats:
    """The logits that gave probabilities p [n, C] at a temperature, but for a constant that softmax does not see.

    Served probabilities are float32: of a finding, logits above 16.6 are all 1, and come back as 16.6.
    """
    clipped = np.clip(p, np.finfo(np.float64).tiny, 1)
    if task != "multilabel":
        return temperature * np.log(clipped)
    return temperature * (np.log(clipped) - np.log(np.clip(1 - p, np.finfo(np.float32).epsneg, 1)))


def validation_metrics(
    card: Mapping[str, Any], unscored: Mapping[str, str], name: str, found: Assessment, temperature: float, size: Facts
) -> Facts:
    """metrics.json with the one candidate `name`; `card` is the dataset's, `size` what its network costs."""
    part = found.reading.part
    by, settings = part.by, part.by.settings
    raw = probabilities(by.task, undone(found.reading.images, by.task, temperature))
    score = found.test["macro"][settings.metric]["estimate"]
    return {
        "task": by.task,
        "classes": by.classes,
        "scored": [by.classes[c] for c in by.scored],
        "unscored": dict(unscored),
        "metric": settings.metric,
        "reference": name,
        "draws": settings.draws,
        "level": LEVEL,
        "specificity_target": settings.specificity,
        "sensitivity_target": settings.sensitivity,
        "unit": {"of": settings.unit, "aggregate": settings.aggregate},
        "units": {part.name: found.units},
        "dataset": {key: card[key] for key in ("name", "fingerprint", "test_set", "splits")}
        | {"warnings": [*card["warnings"], *found.warnings]},
        "winner": name,
        "candidates": {
            name: size
            | {
                "temperature": temperature,
                "test": found.test | {"seeds": {"values": [score], "sd": None}},
                "calibration": {"before": losses(part, part.of_units(raw)), "after": found.calibration},
            }
        },
        "subgroups": found.subgroups,
    }
