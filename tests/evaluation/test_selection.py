"""The one-standard-error rule, case by case."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest

from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.selection import CandidateScore, select

DRAWS = 500


def noise(scale: float, seed: int) -> Floats:
    """Draws of exactly this standard deviation."""
    z = np.random.default_rng(seed).normal(size=DRAWS)
    centred = z - z.mean()
    return np.asarray(scale * centred / centred.std(ddof=1))


def candidate(
    name: str, scores: Sequence[float], parameters: int = 10, macs: int = 10, draws: Floats | None = None
) -> CandidateScore:
    """Draws are the scores plus sampling error, 0.02 and common to all unless given."""
    error = noise(0.02, 0) if draws is None else draws
    return CandidateScore(name, scores, np.array(scores)[:, None] + error, parameters, macs)


def test_the_smallest_within_one_standard_error_wins() -> None:
    chosen = select(
        [
            candidate("large", [0.90], 100),
            candidate("medium", [0.89], 50, draws=noise(0.02, 0) + noise(0.011, 1)),
            candidate("small", [0.885], 5, draws=noise(0.02, 0) + noise(0.014, 2)),
        ]
    )
    assert (chosen.winner, chosen.best) == ("medium", "large")
    assert [(r.name, r.admissible) for r in chosen.rows] == [("large", True), ("medium", True), ("small", False)]
    assert [r.standard_error for r in chosen.rows] == pytest.approx([0, 0.011, 0.014])
    assert [r.difference for r in chosen.rows] == pytest.approx([0, 0.01, 0.015])


def test_a_shared_error_cancels() -> None:
    """Both score ± 0.02, but on the same patients; unpaired, 0.89 would pass for 0.90."""
    chosen = select([candidate("a", [0.90], 100), candidate("b", [0.89], 5)])
    assert chosen.winner == "a"
    assert chosen.rows[1].standard_error == pytest.approx(0, abs=1e-12)


def test_seeds_add_their_variance() -> None:
    large = candidate("large", [0.88, 0.90, 0.92], 100)
    small = candidate("small", [0.86, 0.90], 5)
    chosen = select([small, large])
    row = chosen.rows[1]
    assert row.standard_error == pytest.approx(np.sqrt(0.02**2 / 3 + (2 * 0.02**2) / 2))
    assert row.difference == pytest.approx(0.02)
    assert row.seed_variance_known
    assert chosen.winner == "small"


def test_bootstrap_and_seed_variance_are_summed_over_means_of_seeds() -> None:
    shared = noise(0.02, 0)
    draws = np.stack([shared + noise(0.03, 1), shared - noise(0.01, 1)])
    best = CandidateScore("best", [0.90, 0.92], np.array([[0.90], [0.92]]) + shared, 10, 10)
    other = CandidateScore("other", [0.80, 0.84], np.array([[0.80], [0.84]]) + draws, 10, 10)
    # The mean over seeds of the other's own error is (0.03 − 0.01) / 2 of one noise.
    expected = np.sqrt(0.01**2 + 0.0002 / 2 + 0.0008 / 2)
    assert select([best, other]).rows[1].standard_error == pytest.approx(expected)


def test_one_seed_is_flagged() -> None:
    chosen = select([candidate("a", [0.9]), candidate("b", [0.8, 0.82]), candidate("c", [0.7])])
    assert [r.seed_variance_known for r in chosen.rows] == [False, False, False]
    assert chosen.rows[1].standard_error == pytest.approx(np.sqrt(0.0002 / 2))
    assert chosen.rows[2].standard_error == pytest.approx(0, abs=1e-12)
    chosen = select([candidate("a", [0.9, 0.92]), candidate("b", [0.8, 0.82]), candidate("c", [0.7])])
    assert [r.seed_variance_known for r in chosen.rows] == [True, True, False]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (candidate("z", [0.90], 5, 99), candidate("a", [0.91], 10, 1)),
        (candidate("z", [0.90], 10, 5), candidate("a", [0.91], 10, 10)),
        (candidate("z", [0.91]), candidate("a", [0.90])),
        (candidate("a", [0.90]), candidate("z", [0.90])),
    ],
    ids=["parameters", "macs", "score", "name"],
)
def test_order_of_the_criteria(a: CandidateScore, b: CandidateScore) -> None:
    """The first wins though every later criterion speaks for the second; the order of the list does not count."""
    wide = candidate("best", [0.92], 1000, draws=noise(0.5, 3))
    for order in ([a, b, wide], [wide, b, a]):
        assert select(order).winner == a.name


def test_equal_candidates_are_admissible_with_no_error_at_all() -> None:
    chosen = select([candidate("b", [0.9], 10), candidate("a", [0.9], 20)])
    assert (chosen.winner, chosen.best) == ("b", "b")
    assert all(r.admissible and r.difference == 0 and r.standard_error == 0 for r in chosen.rows)


def test_undefined_draws_are_dropped_in_pairs_and_counted() -> None:
    a, b = noise(0.02, 1), noise(0.02, 2)
    a[:3], b[2:7] = np.nan, np.nan
    row = select([candidate("a", [0.9], draws=a), candidate("b", [0.8], draws=b)]).rows[1]
    assert row.undefined_draws == 7
    assert row.standard_error == pytest.approx((a - b)[7:].std(ddof=1))
    with pytest.raises(UserError, match="defined in only 0 of 500"):
        select([candidate("a", [0.9]), candidate("b", [0.8], draws=np.full(DRAWS, np.nan))])


def test_one_candidate_wins() -> None:
    chosen = select([candidate("only", [0.9])])
    assert (chosen.winner, chosen.best, len(chosen.rows)) == ("only", "only", 1)


def test_the_record_is_plain_json() -> None:
    chosen = select([candidate("a", [np.float64(0.9), np.float64(0.8)]), candidate("b", [0.8, 0.82])])
    assert json.loads(json.dumps(asdict(chosen), allow_nan=False))["rows"][0]["name"] == "a"
    assert {type(v) for row in chosen.rows for v in asdict(row).values()} <= {str, int, float, bool}


def test_what_cannot_be_selected_is_named() -> None:
    with pytest.raises(UserError, match=r"'b' cannot be selected: its validation score is \[0\.8, nan\]"):
        select([candidate("a", [0.9]), candidate("b", [0.8, float("nan")])])
    with pytest.raises(UserError, match="these repeat: a"):
        select([candidate("a", [0.9]), candidate("a", [0.8])])
    with pytest.raises(UserError, match="no candidate"):
        select([])
    with pytest.raises(ValueError, match=r"must be \[seeds, draws\]"):
        select([candidate("a", [0.9]), CandidateScore("b", [0.8], np.zeros((1, 3)), 1, 1)])
