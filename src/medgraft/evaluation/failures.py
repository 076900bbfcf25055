"""Which cases to look at: the mistakes the model was surest of, and positives it was surely right about.

How sure: by how much log-odds the probability lies beyond its decision threshold, so that false alarms of a rare
finding, decided at a low threshold, compare with misses; where the likeliest class or the median grade is decided for,
the log-odds of what was decided.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from medgraft.evaluation.arrays import Floats, labels_of
from medgraft.evaluation.parts import Part
from medgraft.evaluation.readout import Reading
from medgraft.params import Task

MISTAKES, CORRECT = 12, 6
_EPS = float(np.finfo(np.float64).eps)
_WRONG = {"multiclass": "wrong class", "ordinal": "wrong grade"}
_RIGHT = {"multiclass": "right class", "ordinal": "right grade"}


@dataclass(frozen=True)
class Case:
    """A unit of one patient, shown by the image of it that was surest of what was decided.

    `class_` is the class that was decided wrongly (or rightly), `kind` how; `truth` and `decided` are class names, or
    `present` and `absent`; `probability` is the unit's, of what was decided.
    """

    image_id: str
    group_id: str
    class_: str
    kind: str
    truth: str
    decided: str
    probability: float

    @property
    def present(self) -> bool:
        """Whether it was decided for the class, not against it."""
        return self.kind != "false negative"

    def facts(self) -> dict[str, Any]:
        """As failures.json has it."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class _Decision:
    """Whether class `c` was decided to be `present` in a unit, and whether that is `true`."""

    unit: int
    c: int
    present: bool
    true: bool
    sureness: float


@dataclass(frozen=True)
class Failures:
    """The mistakes to look at, and positives that were found beside them; no two of all share a unit."""

    mistakes: list[Case]
    correct: list[Case]

    def facts(self, of: str, aggregate: str) -> dict[str, Any]:
        """As failures.json has it."""
        return {
            "units": {"of": of, "aggregate": aggregate},
            "mistakes": [case.facts() for case in self.mistakes],
            "correct": [case.facts() for case in self.correct],
        }


def failures(reading: Reading) -> Failures:
    """At most 12 mistakes and 6 that are right, surest first, of either at most one a patient.

    Right are positives that were found; of several classes or grades, whatever was right.
    """
    decisions = _decisions(reading)
    wrong = _surest(reading, [d for d in decisions if not d.true], MISTAKES)
    shown = {d.unit for d in wrong}
    right = _surest(reading, [d for d in decisions if d.true and d.present and d.unit not in shown], CORRECT)
    return Failures(*([_case(reading, d) for d in found] for found in (wrong, right)))


def _decisions(reading: Reading) -> list[_Decision]:
    """Of every unit: its one class; of a binary task the positive class, of a multilabel one every known scored one."""
    truths, p, readout = reading.part.truths, reading.p, reading.readout
    called = readout.called(p)
    if readout.decision is None:
        decided, y = readout.decided(p), labels_of(truths)
        surenesses = _log_odds(p[np.arange(len(p)), decided])
        return [
            _Decision(unit, int(d), True, bool(d == y[unit]), float(surenesses[unit])) for unit, d in enumerate(decided)
        ]
    beyond = np.abs(_log_odds(p) - _log_odds(readout.decision))
    return [
        _Decision(int(unit), c, bool(called[unit, c]), bool(called[unit, c] == truths[unit, c]), float(beyond[unit, c]))
        for c in reading.part.by.scored
        for unit in np.flatnonzero(~np.isnan(truths[:, c] + beyond[:, c]))
    ]


def _surest(reading: Reading, decisions: Sequence[_Decision], most: int) -> list[_Decision]:
    patients = reading.part.groups
    first: dict[int, _Decision] = {}
    for decision in sorted(decisions, key=lambda d: (-d.sureness, d.unit, d.c)):
        first.setdefault(int(patients[decision.unit]), decision)
    return list(first.values())[:most]


def _case(reading: Reading, decision: _Decision) -> Case:
    part, unit, c = reading.part, decision.unit, decision.c
    image = _image(reading, decision)
    p = float(reading.p[unit, c])
    truth, decided = _words(part, decision)
    return Case(
        image_id=part.rows["image_id"][image],
        group_id=part.rows["group_id"][image],
        class_=part.by.classes[c],
        kind=_kind(part.by.task, decision),
        truth=truth,
        decided=decided,
        probability=p if decision.present else 1 - p,
    )


def _image(reading: Reading, decision: _Decision) -> int:
    """Of the unit's images that bear its truth (of a missed finding those that show it), the surest of the decision."""
    part, c = reading.part, decision.c
    same = part.image_truths == part.truths[decision.unit]
    bears = same.all(axis=1) if part.by.exclusive else same[:, c]
    images = np.flatnonzero((part.unit == decision.unit) & bears)
    p = reading.images[images, c]
    return int(images[np.argmax(p if decision.present else -p)])


def _words(part: Part, decision: _Decision) -> tuple[str, str]:
    classes, c = part.by.classes, decision.c
    if not part.by.exclusive:
        words = ("absent", "present")
        return words[decision.present == decision.true], words[decision.present]
    decided = c if decision.present else 1 - c
    return classes[int(part.truths[decision.unit].argmax())], classes[decided]


def _kind(task: Task, decision: _Decision) -> str:
    if task in _RIGHT:
        return (_RIGHT if decision.true else _WRONG)[task]
    return f"{'true' if decision.true else 'false'} {'positive' if decision.present else 'negative'}"


def _log_odds(p: Floats) -> Floats:
    return np.asarray(logit(np.clip(p, _EPS, 1 - _EPS)))
