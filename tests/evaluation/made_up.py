"""Made-up splits of every task, with predictions whose skill is known, for tests of figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from medgraft.data.labels import Label
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.judge import Judge
from medgraft.evaluation.parts import Part, part
from medgraft.evaluation.readout import Reading, fit_readout, reading
from medgraft.params import Evaluation, Task
from medgraft.seeds import derive


def judge(task: Task, classes: int = 3, scored: Sequence[int] | None = None, **settings: Any) -> Judge:
    """Classes `c0`, `c1`, …; all are scored, of a binary task the positive one."""
    names = [f"c{c}" for c in range(2 if task == "binary" else classes)]
    every = [1] if task == "binary" else list(range(len(names)))
    return Judge(task, names, every if scored is None else scored, Evaluation(**settings))


def rows(
    labels: Sequence[Label], groups: Sequence[int], **columns: Sequence[Any]
) -> tuple[pl.DataFrame, dict[str, Label]]:
    """Rows as of a dataset, with ids in their order, and the labels by id."""
    ids = [f"{i:06d}" for i in range(len(labels))]
    table = {"image_id": ids, "group_id": [f"g{g:04d}" for g in groups], "split": ["test"] * len(ids)}
    return pl.DataFrame(table | {"study_id": [None] * len(ids)} | columns), dict(zip(ids, labels, strict=True))


def split(by: Judge, name: str = "test", patients: int = 80, images: int = 2, unknown: float = 0.2) -> Part:
    """Patients with `images` images each, in two studies; columns `sex` and `age`. Labels vary within a patient.

    Of multilabel truths a share is `unknown`.
    """
    rng = np.random.default_rng(derive(by.task, name))
    groups = np.repeat(np.arange(patients), images)
    n, classes = len(groups), len(by.classes)
    labels: list[Label]
    if by.exclusive:
        labels = [int(c) for c in rng.integers(classes, size=n)]
    else:
        present, forgotten = rng.random((n, classes)) < 0.35, rng.random((n, classes)) < unknown
        forgotten[:, 0] = False  # so that something is known of every image
        labels = [
            tuple(None if f else int(t) for t, f in zip(truth, unseen, strict=True))
            for truth, unseen in zip(present.tolist(), forgotten.tolist(), strict=True)
        ]
    ages = rng.integers(18, 92, size=patients)[groups]
    table, known = rows(
        labels,
        groups.tolist(),
        study_id=[f"s{g:04d}{i % images // max(1, images // 2)}" for i, g in enumerate(groups)],
        sex=[("f", "m", None)[g % 3] for g in groups],
        age=ages.tolist(),
    )
    return part(name, table, known, by)


def logits(of: Part, skill: float = 1.5) -> Floats:
    """Logits [images, C] that point to the truth with noise of standard deviation 1; unknown truths as absent."""
    rng = np.random.default_rng(derive(of.by.task, of.name, skill))
    noise = rng.normal(size=of.image_truths.shape)
    return noise + skill * np.nan_to_num(of.image_truths) - (0 if of.by.exclusive else 1)


def read(by: Judge, skill: float = 1.5, **options: Any) -> Reading:
    """A model's test split, read as its validation split taught."""
    validation, test = (split(by, name, **options) for name in ("validation", "test"))
    readout = fit_readout(logits(validation, skill), validation)
    return reading(test, readout, readout.probabilities(logits(test, skill)))
