"""The choice: every candidate's score on validation at all labels, by the rule of `selection`; test is not read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.figures import macro_values
from medgraft.evaluation.parts import Part
from medgraft.evaluation.readout import Reading, Readout, fit_readout, reading
from medgraft.evaluation.results import Candidate, RunKey
from medgraft.evaluation.selection import CandidateScore


@dataclass(frozen=True)
class Size:
    """What a candidate's packaged network costs, machine apart."""

    parameters: int
    macs: int
    size_bytes: int


@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate, what it costs, and how the logits of each of its runs are read, as validation taught."""

    candidate: Candidate
    size: Size
    readouts: Mapping[RunKey, Readout]

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    @property
    def packaged(self) -> RunKey:
        """The run whose model is packaged: all labels, the first listed seed."""
        return (1.0, self.candidate.seeds[0])

    def read(self, part: Part, run: RunKey | None = None) -> Reading:
        """How a run, the packaged one unless another is named, reads a split."""
        run = run or self.packaged
        readout = self.readouts[run]
        return reading(part, readout, readout.probabilities(self.candidate.logits[part.name][run]))


def contender(candidate: Candidate, size: Size, validation: Part) -> Contender:
    """Fit temperature and thresholds of each run on validation."""
    runs = candidate.logits["validation"].items()
    return Contender(candidate, size, {run: fit_readout(logits, validation) for run, logits in runs})


def seed_values(contender: Contender, part: Part, fraction: float = 1.0) -> Floats:
    """The chosen metric on a split for each seed, under all weights: [seeds, 1 + draws + blocks]."""
    runs = [(fraction, seed) for seed in contender.candidate.seeds]
    return np.stack([macro_values(part.by.settings.metric, contender.read(part, run)) for run in runs])


def candidate_score(contender: Contender, validation: Part) -> CandidateScore:
    """What the selection rule wants to know of a candidate."""
    values = seed_values(contender, validation)
    scores = [float(score) for score in values[:, 0]]
    size = contender.size
    return CandidateScore(contender.name, scores, validation.sampling.drawn(values), size.parameters, size.macs)


def validation_facts(score: CandidateScore) -> dict[str, Any]:
    """The mean over seeds, its standard error (patients and seeds together), and each seed's value."""
    values = list(score.seeds_scores)
    between = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
    sampling = float(np.nanvar(score.seeds_draws.mean(axis=0), ddof=1))
    return {"score": score.mean, "standard_error": (sampling + between) ** 0.5, "seeds": values}
