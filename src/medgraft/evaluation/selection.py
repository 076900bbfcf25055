"""The choice of one candidate on validation: the smallest whose score is within one standard error of the best.

The one-standard-error rule (Breiman et al. 1984, section 3.4.3; Hastie et al. 2009, section 7.10), with the standard
error of the paired difference: candidates share their patients, so most of their sampling error cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import numpy as np

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats


@dataclass(frozen=True, eq=False)
class CandidateScore:
    """A candidate's validation score, higher is better.

    `seeds_scores`: one a seed; `seeds_draws` float64 [seeds, draws]: its bootstrap draws, from the same weights for
    every candidate (NaN: undefined). `macs`: multiply-accumulates an image.
    """

    name: str
    seeds_scores: Sequence[float]
    seeds_draws: Floats
    parameters: int
    macs: int

    @property
    def mean(self) -> float:
        return fmean(self.seeds_scores)


@dataclass(frozen=True)
class SelectionRow:
    """One candidate against the best. `difference` = best − candidate >= 0; admissible if <= `standard_error`.

    `seed_variance_known` is False if either has one seed only: its share of the standard error is then missing.
    `undefined_draws` were left out of it.
    """

    name: str
    seeds: int
    mean: float
    difference: float
    standard_error: float
    admissible: bool
    seed_variance_known: bool
    undefined_draws: int
    parameters: int
    macs: int


@dataclass(frozen=True)
class Selection:
    """`winner`: the one to package; `best`: the highest mean; `rows`: every candidate, best first."""

    winner: str
    best: str
    rows: list[SelectionRow]


def select(candidates: Sequence[CandidateScore]) -> Selection:
    """Among candidates within one standard error of the best: fewest parameters, then MACs, then score, then name.

    Raises `UserError` without candidates, for a repeated name, a score that is not finite, or an undefined standard
    error; `ValueError` if draws do not fit together.
    """
    _check(candidates)
    ranked = sorted(candidates, key=lambda c: (-c.mean, c.parameters, c.macs, c.name))
    rows = [_row(ranked[0], candidate) for candidate in ranked]
    admissible = [row for row in rows if row.admissible]
    winner = min(admissible, key=lambda row: (row.parameters, row.macs, -row.mean, row.name))
    return Selection(winner.name, ranked[0].name, rows)


def _row(best: CandidateScore, candidate: CandidateScore) -> SelectionRow:
    difference = best.mean - candidate.mean
    standard_error, undefined = (0.0, 0) if candidate is best else _standard_error(best, candidate)
    return SelectionRow(
        name=candidate.name,
        seeds=len(candidate.seeds_scores),
        mean=candidate.mean,
        difference=difference,
        standard_error=standard_error,
        admissible=difference <= standard_error,
        seed_variance_known=min(len(best.seeds_scores), len(candidate.seeds_scores)) > 1,
        undefined_draws=undefined,
        parameters=candidate.parameters,
        macs=candidate.macs,
    )


def _standard_error(best: CandidateScore, candidate: CandidateScore) -> tuple[float, int]:
    """Of the difference of the two means over seeds: patients (bootstrap) and seeds are independent sources."""
    draws = best.seeds_draws.mean(axis=0) - candidate.seeds_draws.mean(axis=0)
    defined = draws[~np.isnan(draws)]
    if len(defined) < 2:
        raise UserError(
            f"Candidate {candidate.name!r} cannot be compared with {best.name!r}: its score is defined in only "
            f"{len(defined)} of {len(draws)} bootstrap draws. Add validation patients of the rarest class."
        )
    squared = float(defined.var(ddof=1)) + _variance_of_mean(best) + _variance_of_mean(candidate)
    return float(np.sqrt(squared)), len(draws) - len(defined)


def _variance_of_mean(candidate: CandidateScore) -> float:
    scores = candidate.seeds_scores
    return variance(scores) / len(scores) if len(scores) > 1 else 0.0


def _check(candidates: Sequence[CandidateScore]) -> None:
    names = [c.name for c in candidates]
    if not names:
        raise UserError("There is no candidate to select from. List at least one under `candidates`.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"Candidate names must differ, but these repeat: {', '.join(repeated)}. Rename them.")
    for c in candidates:
        shape = (len(c.seeds_scores), candidates[0].seeds_draws.shape[-1])
        if not len(c.seeds_scores) or c.seeds_draws.shape != shape:
            raise ValueError(f"candidate {c.name!r}: draws {c.seeds_draws.shape} must be [seeds, draws] = {shape}")
        if not np.isfinite(c.seeds_scores).all():
            raise UserError(
                f"Candidate {c.name!r} cannot be selected: its validation score is {list(map(float, c.seeds_scores))} "
                "(one a seed), undefined where a scored class has no positive or no negative image in validation. "
                "Check its predictions and the split, or remove the candidate."
            )
