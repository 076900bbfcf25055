"""Made-up patients: truths and logits of every kind of task, without any network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

from medgraft.evaluation.arrays import Floats, Ints
from medgraft.seeds import derive

BINARY = ("benign", "malignant")
FIVE = ("nevus", "melanoma", "basal cell carcinoma", "actinic keratosis", "dermatofibroma")
GRADES = ("none", "doubtful", "minimal", "moderate", "severe")
FINDINGS = ("atelectasis", "cardiomegaly", "effusion", "infiltration", "nodule", "hernia")
UNSCORED = ("dermatofibroma", "hernia")
SHARES = {
    "binary": (0.7, 0.3),
    "multiclass": (0.45, 0.2, 0.15, 0.15, 0.05),
    "ordinal": (0.35, 0.2, 0.2, 0.15, 0.1),
    "multilabel": (0.3, 0.2, 0.25, 0.35, 0.15, 0.02),
}


@dataclass(frozen=True)
class Cohort:
    """One split: truths [units, C] (1, 0, NaN), patients [units], and the truths that unknown ones hide, [units, C]."""

    task: str
    truths: Floats
    hidden: Floats
    groups: Ints

    @property
    def labels(self) -> Ints:
        """The class of each unit, where classes exclude each other."""
        return np.asarray(self.truths.argmax(axis=1), dtype=np.int64)


def cohort(task: str, split: str, patients: int, classes: Sequence[str], per_patient: int, rare: str | None) -> Cohort:
    """1 to `per_patient` units a patient, all of one class a patient; `rare`: a class with few patients."""
    rng = np.random.default_rng(derive(task, split))
    share = np.resize(np.array(SHARES[task]), len(classes))
    groups = np.repeat(np.arange(patients), rng.integers(1, per_patient + 1, size=patients)).astype(np.int64)
    if task == "multilabel":
        hidden = (rng.random((patients, len(classes))) < share).astype(np.float64)[groups]
        unknown = rng.random(hidden.shape) < 0.12
        return Cohort(task, np.where(unknown, np.nan, hidden), hidden, groups)
    if rare is not None:
        share[classes.index(rare)] = 0
    of_patient = rng.choice(len(classes), size=patients, p=share / share.sum())
    if rare is not None:
        of_patient[: 3 if split == "test" else 12] = classes.index(rare)
    truths = np.eye(len(classes))[of_patient[groups]]
    return Cohort(task, truths, truths, groups)


def logits(cohort: Cohort, skill: float, *parts: object) -> Floats:
    """Seeded, better with more skill; overconfident, so that a temperature has something to do."""
    rng = np.random.default_rng(derive(*parts))
    noise = rng.normal(size=cohort.truths.shape)
    if cohort.task == "multilabel":
        return 1.4 * (noise + 0.8 * skill * (2 * cohort.hidden - 1) - 0.4)
    if cohort.task == "ordinal":
        score = cohort.labels + noise[:, 0] / skill
        distance = score[:, None] - np.arange(cohort.truths.shape[1])
        return -skill * distance**2
    return 1.6 * (noise + skill * cohort.truths)


def probabilities(task: str, logits: Floats, temperature: float) -> Floats:
    """[n, C]."""
    found: Floats = expit(logits / temperature) if task == "multilabel" else softmax(logits / temperature, axis=1)
    return found


def decide(task: str, p: Floats, threshold: float | None) -> Ints:
    """The decided class [n]: by the threshold (binary), the median (ordinal), else the likeliest."""
    if task == "ordinal":
        return np.asarray((p.cumsum(axis=1) < 0.5).sum(axis=1), dtype=np.int64)
    return np.asarray(p.argmax(axis=1) if threshold is None else p[:, 1] >= threshold, dtype=np.int64)
