"""Which mistakes are shown: the surest, one a patient, by the image that shows the truth."""

import json
from typing import Any

import numpy as np
import pytest
from tests.evaluation.made_up import judge, read, rows

from medgraft.data.labels import Label
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.failures import CORRECT, MISTAKES, failures
from medgraft.evaluation.parts import part
from medgraft.evaluation.readout import Reading, fixed_readout, reading
from medgraft.params import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")


def reading_of(
    task: Task,
    labels: list[Label],
    groups: list[int],
    p: Floats,
    thresholds: list[float],
    **settings: Any,
) -> Reading:
    by = judge(task, p.shape[1], **settings)
    stored = dict(zip(by.classes, thresholds, strict=True))
    of = part("test", *rows(labels, groups), by)
    return reading(of, fixed_readout(task, by.classes, stored, stored, stored), p)


@pytest.mark.parametrize("unit", ["image", "study"])
@pytest.mark.parametrize("task", TASKS)
def test_mistakes_are_wrong_and_correct_is_right(task: Task, unit: str) -> None:
    r = read(judge(task, unit=unit), skill=0.8, images=1 if task == "multiclass" else 4)
    found = failures(r)
    by, called = r.part.by, r.readout.called(r.p)
    assert len(found.mistakes) == MISTAKES
    assert len(found.correct) == CORRECT
    for cases in (found.mistakes, found.correct):
        assert len({case.group_id for case in cases}) == len(cases)
    shown = [case.image_id for case in (*found.mistakes, *found.correct)]
    assert len(set(shown)) == len(shown)
    for case in (*found.mistakes, *found.correct):
        image = r.part.image_ids.index(case.image_id)
        u, c = r.part.unit[image], by.classes.index(case.class_)
        assert called[u, c] == case.present
        right = called[u, c] == r.part.truths[u, c]
        assert right == (case in found.correct)
        assert case.probability == pytest.approx(r.p[u, c] if case.present else 1 - r.p[u, c])
        assert r.part.rows["group_id"][image] == case.group_id
        assert r.part.image_truths[image, c] == r.part.truths[u, c]
        assert (case.truth == case.decided) == right


def test_kinds_and_words() -> None:
    p = np.array([[0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.9, 0.1]])
    r = reading_of("binary", [1, 0, 1, 0], [0, 1, 2, 3], p, [0, 0.5])
    found = failures(r)
    assert [case.facts() for case in found.mistakes] == [
        {
            "image_id": "000001",
            "group_id": "g0001",
            "class": "c1",
            "kind": "false positive",
            "truth": "c0",
            "decided": "c1",
            "probability": 0.9,
        },
        {
            "image_id": "000000",
            "group_id": "g0000",
            "class": "c1",
            "kind": "false negative",
            "truth": "c1",
            "decided": "c0",
            "probability": 0.8,
        },
    ]
    assert [(case.image_id, case.kind) for case in found.correct] == [("000002", "true positive")]
    r = reading_of("multilabel", [(1, 0), (None, 1)], [0, 1], np.array([[0.1, 0.8], [0.9, 0.7]]), [0.5, 0.5])
    found = failures(r)
    assert [(c.class_, c.kind, c.truth, c.decided) for c in found.mistakes] == [
        ("c0", "false negative", "present", "absent")
    ]
    assert [(c.class_, c.kind, c.truth, c.decided) for c in found.correct] == [
        ("c1", "true positive", "present", "present")
    ]
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    for task, word in (("multiclass", "class"), ("ordinal", "grade")):
        r = reading_of("multiclass" if task == "multiclass" else "ordinal", [0, 2], [0, 1], p, [0, 0, 0])
        found = failures(r)
        assert [(c.class_, c.kind, c.truth, c.decided) for c in found.mistakes] == [("c1", f"wrong {word}", "c0", "c1")]
        assert [(c.class_, c.kind) for c in found.correct] == [("c2", f"right {word}")]
    facts = found.facts("image", "mean")
    assert json.loads(json.dumps(facts, allow_nan=False))["units"] == {"of": "image", "aggregate": "mean"}


def test_sureness_is_measured_from_the_threshold() -> None:
    """At a threshold of 0.05 a false alarm at 0.6 is surer than a miss at 0.02, though 0.98 was said of the miss."""
    p1 = np.array([0.6, 0.02, 0.9])
    r = reading_of("binary", [0, 1, 1], [0, 1, 2], np.stack([1 - p1, p1], axis=1), [0, 0.05])
    assert [case.kind for case in failures(r).mistakes] == ["false positive", "false negative"]


def test_one_a_patient_and_the_image_that_shows_the_truth() -> None:
    p1 = np.array([0.1, 0.3, 0.05, 0.9, 0.95])
    labels: list[Label] = [1, 1, 0, 0, 0]
    r = reading_of("binary", labels, [0, 0, 0, 1, 1], np.stack([1 - p1, p1], axis=1), [0, 0.5], unit="group")
    missed, alarm = sorted(failures(r).mistakes, key=lambda case: case.group_id)
    # Image 2 has the lowest probability, but nothing was missed in it.
    assert (missed.image_id, missed.kind) == ("000000", "false negative")
    assert (alarm.image_id, alarm.kind) == ("000004", "false positive")
    images = reading_of("binary", labels, [0, 0, 0, 1, 1], np.stack([1 - p1, p1], axis=1), [0, 0.5])
    assert [case.image_id for case in failures(images).mistakes] == ["000004", "000000"]


def test_nothing_wrong_is_nothing_to_show() -> None:
    r = reading_of("binary", [0, 1], [0, 1], np.array([[0.9, 0.1], [0.2, 0.8]]), [0, 0.5])
    assert failures(r).mistakes == []
