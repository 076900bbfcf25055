"""Against scipy's own estimates, and against p values that can be counted by hand."""

from math import factorial

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from medgraft.evaluation.rank_correlation import kendall, spearman


@pytest.mark.parametrize("pairs", [3, 4, 5, 6])
def test_the_perfect_order_and_its_reverse_are_two_of_all_orders(pairs: int) -> None:
    x = list(range(pairs))
    for correlate in (spearman, kendall):
        same, reversed_ = correlate(x, [10.0 * value for value in x]), correlate(x, [-value for value in x])
        assert same is not None
        assert reversed_ is not None
        assert same.estimate == -reversed_.estimate == pytest.approx(1)
        assert same.p == reversed_.p == pytest.approx(2 / factorial(pairs))


@pytest.mark.parametrize("pairs", [5, 12])
def test_estimates_are_scipys_also_with_ties(pairs: int) -> None:
    rng = np.random.default_rng(pairs)
    for _ in range(5):
        x, y = rng.integers(0, pairs - 1, size=(2, pairs)).astype(float).tolist()
        rho, tau = spearman(x, y), kendall(x, y)
        assert rho is not None
        assert tau is not None
        assert rho.estimate == pytest.approx(spearmanr(x, y).statistic)
        assert tau.estimate == pytest.approx(kendalltau(x, y).statistic)
        assert 0 < rho.p <= 1


def test_without_ties_the_p_value_is_scipys_exact_one() -> None:
    x, y = [1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 6, 5]
    tau = kendall(x, y)
    assert tau is not None
    assert tau.p == pytest.approx(kendalltau(x, y, method="exact").pvalue)


def test_of_many_pairs_orders_are_drawn_the_same_ones_every_time() -> None:
    x, y = list(range(10)), [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]
    assert spearman(x, y) == spearman(x, y)


def test_values_that_are_all_equal_have_no_order() -> None:
    assert spearman([1, 1, 1], [1, 2, 3]) is kendall([1, 2, 3], [2, 2, 2]) is None
