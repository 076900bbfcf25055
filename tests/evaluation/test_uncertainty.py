"""The bootstrap resamples patients, and says less where it knows less."""

from dataclasses import asdict

import numpy as np
import pytest

from medgraft.errors import UserError
from medgraft.evaluation.uncertainty import cluster_weights, interval, lower_one_sided, paired_difference


def test_images_of_a_group_share_their_weight_and_groups_are_drawn_with_replacement() -> None:
    groups = np.array([0, 1, 0, 2, 1, 3, 4, 4, 4])
    w = cluster_weights(groups, 4000, 11)
    assert w.shape == (4000, 9)
    for g in range(5):
        assert (w[:, groups == g] == w[:, groups == g][:, :1]).all()
    per_group = w[:, [0, 1, 3, 5, 6]]
    assert (per_group.sum(axis=1) == 5).all()
    # Multinomial(5; 1/5, ...): mean 1, variance 4/5; the tolerances are 5 standard errors.
    assert per_group.mean(axis=0) == pytest.approx(np.ones(5), abs=5 * np.sqrt(0.8 / 4000))
    assert per_group.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.15)


def test_weights_depend_on_groups_and_seed_alone() -> None:
    groups = np.array([0, 0, 1, 2, 3])
    np.testing.assert_array_equal(cluster_weights(groups, 50, 3), cluster_weights(groups, 50, 3))
    assert (cluster_weights(groups, 50, 3) != cluster_weights(groups, 50, 2**63 - 1)).any()
    # A number that no image bears is no patient: it must not be drawn.
    np.testing.assert_array_equal(cluster_weights(groups * 10, 50, 3), cluster_weights(groups, 50, 3))


def test_one_patient_is_refused() -> None:
    with pytest.raises(UserError, match=r"1 patient\(s\)"):
        cluster_weights(np.zeros(30, dtype=np.int64), 10, 1)


def test_standard_error_of_a_mean_is_that_of_patients_not_of_images() -> None:
    """60 patients with 9 equal images each: sd / sqrt(60); resampling images would give a third of it."""
    patients, images = 60, 9
    value = np.repeat(np.random.default_rng(5).normal(size=patients), images)
    theory = value.std() / np.sqrt(patients)

    def standard_error(groups: np.ndarray) -> float:
        w = cluster_weights(groups, 4000, 1).astype(np.float64)
        se = interval(value.mean(), (w @ value) / w.sum(axis=1)).se
        assert se is not None
        return se

    # The standard error of a standard error from 4,000 draws is 1.1 %.
    assert standard_error(np.arange(len(value)) // images) == pytest.approx(theory, rel=0.05)
    assert standard_error(np.arange(len(value))) == pytest.approx(theory / np.sqrt(images), rel=0.05)


def test_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    groups, w = np.arange(300) // 3, cluster_weights(np.arange(300) // 3, 500, 2).astype(np.float64)
    covered = 0
    for _ in range(400):
        value = np.repeat(rng.normal(size=100), 3) + rng.normal(size=len(groups))
        found = interval(value.mean(), (w @ value) / w.sum(axis=1))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
    # Binomial(400, .95) has standard deviation .011; the percentile interval is a little short at 100 patients.
    assert 0.91 <= covered / 400 <= 0.98


def test_percentiles_are_exact() -> None:
    found = interval(0.5, np.arange(1001) / 1000)
    assert asdict(found) == pytest.approx(
        {"estimate": 0.5, "low": 0.025, "high": 0.975, "undefined_share": 0.0, "se": np.sqrt(1001 * 1002 / 12) / 1000}
    )
    assert interval(0.5, np.arange(1001) / 1000, level=0.8).low == pytest.approx(0.1)


def test_over_one_percent_undefined_draws_withhold_the_interval() -> None:
    draws = np.linspace(0, 1, 1000)
    draws[:10] = np.nan
    at_limit = interval(0.5, draws)
    assert at_limit.undefined_share == 0.01
    assert at_limit.low == pytest.approx(np.quantile(draws[10:], 0.025))
    draws[10] = np.nan
    over = interval(0.5, draws)
    assert (over.estimate, over.low, over.high, over.se) == (0.5, None, None, None)
    assert over.undefined_share == 0.011
    assert lower_one_sided(draws) is None


def test_an_undefined_estimate_has_no_interval() -> None:
    found = interval(float("nan"), np.linspace(0, 1, 100))
    assert (found.estimate, found.low, found.high, found.se) == (None, None, None, None)


def test_paired_difference_cancels_what_both_share() -> None:
    rng = np.random.default_rng(4)
    shared = rng.normal(size=2000)
    a = 0.8 + 0.05 * shared + 0.001 * rng.normal(size=2000)
    b = 0.7 + 0.05 * shared
    found = paired_difference(0.8, 0.7, a, b)
    assert found.estimate == pytest.approx(0.1)
    assert found.se == pytest.approx(0.001, rel=0.1)
    assert found.lower_one_sided == pytest.approx(0.1 - 1.645 * 0.001, abs=3e-4)
    assert found.low == pytest.approx(0.1 - 1.96 * 0.001, abs=3e-4)


def test_paired_difference_counts_draws_undefined_in_either() -> None:
    a, b = np.full(100, 0.8), np.full(100, 0.7)
    a[0], b[1] = np.nan, np.nan
    found = paired_difference(0.8, 0.7, a, b)
    assert found.undefined_share == 0.02
    assert (found.low, found.lower_one_sided) == (None, None)
    undefined = paired_difference(float("nan"), 0.7, np.full(100, 0.8), np.full(100, 0.7))
    assert (undefined.estimate, undefined.low, undefined.lower_one_sided) == (None, None, None)
