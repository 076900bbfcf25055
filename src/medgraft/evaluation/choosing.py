"""The choice: every candidate's score on validation at all labels, by the rule of `selection`; test is not read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.figures import macro_figure, ones
from medgraft.evaluation.readout import Readout, fit_readout
from medgraft.evaluation.results import Candidate, Part, RunKey
from medgraft.evaluation.selection import CandidateScore
from medgraft.evaluation.uncertainty import cluster_weights
from medgraft.params import Evaluation


@dataclass(frozen=True)
class Judge:
    """What all candidates are judged by: the classes that count, the settings, weights of each split's draws."""

    settings: Evaluation
    binary: bool
    scored: Sequence[int]
    weights: Mapping[str, Floats]


@dataclass(frozen=True)
class Size:
    """What a candidate's packaged network costs, machine apart."""

    parameters: int
    macs: int
    size_bytes: int


def judge(settings: Evaluation, binary: bool, scored: Sequence[int], parts: Sequence[Part]) -> Judge:
    """Draw the patients of every split once, so that all candidates meet the same draws."""
    weights = {p.name: cluster_weights(p.groups, settings.draws, settings.seed).astype(np.float64) for p in parts}
    return Judge(settings, binary, scored, weights)


def readouts(candidate: Candidate, validation: Part, by: Judge) -> dict[RunKey, Readout]:
    """Temperature and thresholds of each run."""
    return {
        key: fit_readout(logits, validation.labels, by.binary, by.settings.specificity)
        for key, logits in candidate.logits["validation"].items()
    }


def seed_scores(
    candidate: Candidate, part: Part, read: Mapping[RunKey, Readout], by: Judge, fraction: float = 1.0
) -> tuple[list[float], Floats]:
    """The chosen metric on a split for each seed, and its draws [seeds, draws]."""
    scores: list[float] = []
    draws: list[Floats] = []
    for seed in candidate.seeds:
        readout = read[(fraction, seed)]
        p = readout.probabilities(candidate.logits[part.name][(fraction, seed)])
        args = (by.settings.metric, part.labels, p, readout)
        scores.append(float(macro_figure(*args, ones(part.labels), by.scored)[0]))
        draws.append(macro_figure(*args, by.weights[part.name], by.scored))
    return scores, np.stack(draws)


def validation_facts(score: CandidateScore) -> dict[str, Any]:
    """The mean over seeds, its standard error (patients and seeds together), and each seed's value."""
    values = list(score.seeds_scores)
    between = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
    sampling = float(np.nanvar(score.seeds_draws.mean(axis=0), ddof=1))
    return {"score": score.mean, "standard_error": (sampling + between) ** 0.5, "seeds": values}


def candidate_score(
    candidate: Candidate, validation: Part, read: Mapping[RunKey, Readout], size: Size, by: Judge
) -> CandidateScore:
    """What the selection rule wants to know of a candidate."""
    scores, draws = seed_scores(candidate, validation, read, by)
    return CandidateScore(candidate.name, scores, draws, size.parameters, size.macs)
