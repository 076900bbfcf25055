"""The bootstrap resamples patients, and says less where it knows less."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import binomtest, bootstrap, norm, t

from medgraft.errors import UserError
from medgraft.evaluation import uncertainty
from medgraft.evaluation.uncertainty import cluster_weights, interval, left_out_weights, resampling


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
    groups = np.arange(120) // 3
    sampling = resampling(groups, 500, 2)
    w = sampling.weights.astype(np.float64)
    covered = 0
    for _ in range(400):
        value = np.repeat(rng.normal(size=40), 3) + rng.normal(size=len(groups))
        found = sampling.interval((w @ value) / w.sum(axis=1))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
    # Binomial(400, .95) has standard deviation .011.
    assert 0.92 <= covered / 400 <= 0.98


def test_bias_and_acceleration_are_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With normal instead of t quantiles, the interval from these same draws is that of scipy.stats.bootstrap."""
    x = np.random.default_rng(3).exponential(size=60)
    sampling = resampling(np.arange(60), 2000, 1)
    w = sampling.weights.astype(np.float64)
    values = (w @ x**2) / w.sum(axis=1)
    shape = uncertainty._shape
    monkeypatch.setattr(uncertainty, "_shape", lambda left_out: (shape(left_out)[0], 1e12))
    ours = sampling.interval(values)
    drawn = SimpleNamespace(bootstrap_distribution=sampling.drawn(values))
    theirs = bootstrap(
        (x,),
        lambda x, axis: (x**2).mean(axis=axis),
        n_resamples=0,
        bootstrap_result=drawn,
        method="BCa",
        vectorized=True,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    assert shape(values[2001:])[0] > 0.04


def test_few_patients_are_known_less_well() -> None:
    """Where no influence stands out, all patients count (Student); where 20 of 100 carry the figure, about 20."""
    _, freedom = uncertainty._shape(np.tile([-1.0, 1.0], 30))
    assert freedom == 59
    assert uncertainty._where(0.025, 0.0, np.linspace(-1, 1, 1000), np.tile([-1.0, 1.0], 30)) == pytest.approx(
        norm.cdf(np.sqrt(60 / 59) * t.ppf(0.025, 59)), abs=1e-3
    )
    w = left_out_weights(np.arange(100)).astype(np.float64)
    positive, hit = (np.arange(100) < 20).astype(float), (np.arange(100) % 2 * (np.arange(100) < 20)).astype(float)
    _, freedom = uncertainty._shape((w @ hit) / (w @ positive))
    assert 15 <= freedom <= 55
    one_stands_out = np.append(np.zeros(99), 1.0)
    acceleration, freedom = uncertainty._shape(one_stands_out)
    assert freedom == pytest.approx(2, abs=0.1)
    assert abs(acceleration) < 1 / 6
    # Such a figure is known to lie between the extremes of its draws at best.
    assert uncertainty._where(0.975, 0.0, np.linspace(-1, 1, 1000), -one_stands_out) > 0.999


def test_the_jackknife_leaves_out_each_patient_once() -> None:
    groups = np.array([5, 5, 7, 9, 7])
    np.testing.assert_array_equal(left_out_weights(groups), [[0, 0, 1, 1, 1], [1, 1, 0, 1, 0], [1, 1, 1, 0, 1]])
    many = np.arange(1501) // 3
    w = left_out_weights(many)
    assert w.shape == (200, 1501)
    assert ((w == 0).sum(axis=0) == 1).all()
    assert {len(np.unique(many[row == 0])) for row in w} == {2, 3}


def test_blocks_of_patients_give_the_same_acceleration(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(5).exponential(size=4000)
    found = []
    for blocks in (200, 4000):
        monkeypatch.setattr(uncertainty, "BLOCKS", blocks)
        w = left_out_weights(np.arange(4000)).astype(np.float64)
        found.append(uncertainty._shape((w @ x) / w.sum(axis=1)))
    assert found[0][0] == pytest.approx(found[1][0], abs=0.004)
    assert found[0][1] <= 199


def test_a_resampling_of_rows_is_part_of_the_whole() -> None:
    groups = np.arange(40) // 2
    sampling = resampling(groups, 30, 4)
    assert sampling.weights.shape == (1 + 30 + 20, 40)
    assert (sampling.weights[0] == 1).all()
    np.testing.assert_array_equal(sampling.weights[1:31], cluster_weights(groups, 30, 4))
    within = sampling.rows(np.arange(40) % 3 == 0)
    np.testing.assert_array_equal(within.weights, sampling.weights[:, ::3])
    values = np.arange(51.0)
    np.testing.assert_array_equal(sampling.drawn(values), np.arange(1.0, 31.0))


@pytest.mark.parametrize("patients", [10, 40])
def test_what_always_goes_well_has_an_exact_bound(patients: int) -> None:
    """Ten of ten positives found is not a sensitivity of 1.000 (1.000 to 1.000): Clopper & Pearson 1934."""
    sampling = resampling(np.arange(patients), 200, 1)
    always, never = (sampling.interval(np.full(len(sampling.weights), value), patients) for value in (1.0, 0.0))
    exact = binomtest(patients, patients).proportion_ci(method="exact")
    assert (always.low, always.high) == pytest.approx((exact.low, 1))
    assert (never.low, never.high) == pytest.approx((0, 1 - exact.low))
    assert (always.estimate, never.estimate, always.se) == (1, 0, None)


def test_draws_that_do_not_vary_have_no_width_to_state() -> None:
    sampling = resampling(np.arange(10), 200, 1)
    for value, patients in ((1.0, None), (0.4, 10)):
        found = sampling.interval(np.full(len(sampling.weights), value), patients)
        assert (found.estimate, found.low, found.high, found.undefined_share) == (value, None, None, 0)
    same = sampling.difference(np.zeros(len(sampling.weights)))
    assert (same.estimate, same.low, same.high, same.lower_one_sided) == (0, 0, 0, 0)


@pytest.mark.parametrize("patients", range(10, 201, 10))
def test_influences_of_one_size_are_known_as_well_as_their_number_says(patients: int) -> None:
    """Half of the patients 1, half 0: their kurtosis is 1, but for rounding, which must not end in min to max."""
    sampling = resampling(np.arange(patients), 1000, 1)
    x = np.arange(patients) % 2
    shares = sampling.weights @ x / sampling.weights.sum(axis=1)
    found = sampling.interval(np.asarray(shares, dtype=np.float64))
    assert found.estimate == 0.5
    assert found.low is not None
    assert found.high is not None
    half = stdtrit(patients - 1, 0.975) * np.sqrt(0.25 / (patients - 1))
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.06)


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


def test_an_undefined_estimate_has_no_interval() -> None:
    found = interval(float("nan"), np.linspace(0, 1, 100))
    assert (found.estimate, found.low, found.high, found.se) == (None, None, None, None)


def test_a_paired_difference_cancels_what_both_share() -> None:
    rng = np.random.default_rng(4)
    groups, patient = np.arange(400), rng.normal(size=400)
    sampling = resampling(groups, 2000, 1)
    w = sampling.weights.astype(np.float64)
    own = rng.normal(size=400)
    a, b = ((w @ x) / w.sum(axis=1) for x in (0.8 + patient + 0.02 * own, 0.7 + patient))
    found = sampling.difference(a - b)
    se = 0.02 * own.std() / np.sqrt(400)
    assert found.estimate == pytest.approx(0.1 + 0.02 * own.mean())
    assert found.se == pytest.approx(se, rel=0.1)
    assert found.lower_one_sided == pytest.approx(found.estimate - 1.65 * se, abs=0.2 * se)
    assert found.low == pytest.approx(found.estimate - 1.97 * se, abs=0.2 * se)


def test_a_difference_counts_draws_undefined_in_either() -> None:
    sampling = resampling(np.arange(5), 100, 1)
    a, b = np.full(106, 0.8), np.full(106, 0.7)
    a[1], b[2] = np.nan, np.nan
    found = sampling.difference(a - b)
    assert found.undefined_share == 0.02
    assert (found.low, found.lower_one_sided) == (None, None)
    undefined = sampling.difference(np.append(np.nan, np.zeros(105)))
    assert (undefined.estimate, undefined.low, undefined.lower_one_sided) == (None, None, None)
