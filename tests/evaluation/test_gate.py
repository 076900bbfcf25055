"""A model passes only if both conditions hold, and each failure says why."""

import pytest

from medgraft.evaluation.gate import promotion_gate
from medgraft.evaluation.uncertainty import Difference


def difference(lower_one_sided: float | None) -> Difference:
    """Challenger − champion, of which the gate looks at the one-sided bound."""
    return Difference(0.0, -0.02, 0.02, 0.0, 0.01, lower_one_sided)


def test_without_a_champion_the_interval_alone_decides() -> None:
    assert promotion_gate(0.7, 0.7, None, 0.02).passed
    failed = promotion_gate(0.6999, 0.7, None, 0.02)
    assert not failed.passed
    assert len(failed.reasons) == 1
    assert "0.6999, is below the minimum 0.7000" in failed.reasons[0]


@pytest.mark.parametrize(("margin", "passed"), [(0.0181, True), (0.0179, False), (0.0, False)])
def test_a_champion_must_not_be_undercut_by_more_than_the_margin(margin: float, passed: bool) -> None:
    gate = promotion_gate(0.8, 0.7, difference(-0.018), margin)
    assert gate.passed is passed
    assert ["challenger − champion is -0.0180" in reason for reason in gate.reasons] == ([] if passed else [True])


def test_equal_to_the_champion_passes_only_with_a_margin() -> None:
    assert promotion_gate(0.8, 0.7, difference(0.0), 0.01).passed
    assert not promotion_gate(0.8, 0.7, difference(0.0), 0.0).passed


def test_every_failure_is_listed_and_what_is_withheld_fails() -> None:
    assert len(promotion_gate(0.1, 0.7, difference(-1.018), 0.01).reasons) == 2
    withheld = promotion_gate(None, 0.0, difference(None), 1.0)
    assert not withheld.passed
    assert [("withheld" in r) for r in withheld.reasons] == [True, True]
    assert not promotion_gate(float("nan"), 0.0, None, 0.0).passed
