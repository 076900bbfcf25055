"""PPV, NPV and net benefit: by Bayes, against counts, and at a prevalence that is not the split's."""

import numpy as np
import pytest
from tests.evaluation.made_up import judge, read, rows

from medgraft.evaluation.parts import part
from medgraft.evaluation.prevalence import decision_curves, net_benefit, npv, operating_points, ppv, prevalence_of
from medgraft.evaluation.readout import fixed_readout, reading


def test_closed_forms() -> None:
    sensitivity, specificity, prevalence = np.array([0.9]), np.array([0.8]), np.array([0.1])
    assert ppv(sensitivity, specificity, prevalence)[0] == pytest.approx(0.09 / 0.27)
    assert npv(sensitivity, specificity, prevalence)[0] == pytest.approx(0.72 / 0.73)
    assert np.isnan(ppv(np.zeros(1), np.ones(1), prevalence))
    assert np.isnan(npv(np.ones(1), np.zeros(1), prevalence))
    # Vickers & Elkin 2006: true positives / n − false positives / n × p / (1 − p).
    assert net_benefit(sensitivity, specificity, prevalence, np.array([0.2]))[0] == pytest.approx(0.09 - 0.18 * 0.25)
    assert net_benefit(np.ones(1), np.zeros(1), prevalence, prevalence)[0] == pytest.approx(0)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_without_a_stated_prevalence_they_are_the_shares_of_the_split(task: str) -> None:
    r = read(judge("binary" if task == "binary" else "multilabel"))
    for point in operating_points(r):
        c = r.part.by.classes.index(point["class"])
        truth, called = r.part.truths[:, c], r.p[:, c] >= point["threshold"]
        known = ~np.isnan(truth)
        assert not point["prevalence_stated"]
        assert point["prevalence"] == pytest.approx(truth[known].mean())
        assert point["sensitivity"]["estimate"] == pytest.approx(called[truth == 1].mean())
        assert point["specificity"]["estimate"] == pytest.approx((~called[truth == 0]).mean())
        assert point["ppv"]["estimate"] == pytest.approx(truth[known & called].mean())
        assert point["npv"]["estimate"] == pytest.approx(1 - truth[known & ~called].mean())
        # Of each draw, too: the interval is that of the share.
        w = r.part.sampling.weights.astype(np.float64)
        shares = (w @ (known & called & (truth == 1))) / (w @ (known & called))
        assert point["ppv"] == pytest.approx(r.part.sampling.interval(shares).__dict__)


def test_points_are_at_both_targets_of_every_scored_class() -> None:
    r = read(judge("multiclass", scored=[0, 2], specificity=0.8, sensitivity=0.95))
    points = operating_points(r)
    assert [(p["class"], p["target"], p["value"]) for p in points] == [
        (label, *target) for label in ("c0", "c2") for target in (("specificity", 0.8), ("sensitivity", 0.95))
    ]
    assert [p["threshold"] for p in points[:2]] == [r.readout.specific[0], r.readout.sensitive[0]]


def test_a_stated_prevalence_is_used_in_every_draw() -> None:
    r = read(judge("binary", prevalence={"c1": 0.02}))
    here = read(judge("binary"))
    for stated, point in zip(operating_points(r), operating_points(here), strict=True):
        assert (stated["prevalence"], stated["prevalence_stated"]) == (0.02, True)
        assert stated["sensitivity"] == point["sensitivity"]
        found, kept = (np.array([stated[name]["estimate"]]) for name in ("sensitivity", "specificity"))
        assert stated["ppv"]["estimate"] == pytest.approx(ppv(found, kept, np.array([0.02]))[0])
        assert stated["npv"]["estimate"] == pytest.approx(npv(found, kept, np.array([0.02]))[0])
        assert stated["ppv"]["high"] < point["ppv"]["low"]
        assert stated["npv"]["low"] > point["npv"]["high"]
    assert (prevalence_of(r, 1).values == 0.02).all()


def test_no_error_in_few_patients_is_not_certainty() -> None:
    """With 12 patients of either kind and no error, a PPV of 1 at a prevalence of 1 % is not known to be above 0.04."""
    y = [0] * 12 + [1] * 12
    by = judge("binary", prevalence={"c1": 0.01})
    of = part("test", *rows(y, list(range(24))), by)
    readout = fixed_readout("binary", by.classes, {"c1": 0.5}, {"c1": 0.5}, {"c1": 0.5})
    point, _ = operating_points(reading(of, readout, np.stack([1 - np.array(y), y], axis=1) * 0.8 + 0.1))
    bound = 0.025 ** (1 / 12)
    assert (point["sensitivity"]["low"], point["specificity"]["low"]) == pytest.approx((bound, bound))
    assert (point["ppv"]["estimate"], point["ppv"]["high"]) == (1, 1)
    assert point["ppv"]["low"] == pytest.approx(bound * 0.01 / (bound * 0.01 + (1 - bound) * 0.99))
    assert point["ppv"]["low"] < 0.04
    assert point["npv"]["low"] == pytest.approx(bound * 0.99 / (bound * 0.99 + (1 - bound) * 0.01))


def test_without_a_threshold_nothing_is_stated() -> None:
    r = read(judge("multilabel", classes=2))
    r.readout.specific[1] = np.nan
    point = operating_points(r)[2]
    assert point["threshold"] is None
    assert all(point[name]["estimate"] is None for name in ("sensitivity", "specificity", "ppv", "npv"))


def test_decision_curves_count_net_true_positives() -> None:
    r = read(judge("multilabel", classes=3, scored=[0, 2]))
    points = decision_curves(r)
    assert [p["class"] for p in points] == ["c0"] * 99 + ["c2"] * 99
    assert [p["threshold"] for p in points[:99]] == [t / 100 for t in range(1, 100)]
    truth, p = r.part.truths[:, 2], r.p[:, 2]
    known = ~np.isnan(truth)
    for point in points[99:]:
        t = point["threshold"]
        called = p[known] >= t
        benefit = (called & (truth[known] == 1)).mean() - (called & (truth[known] == 0)).mean() * t / (1 - t)
        assert point["net_benefit"] == pytest.approx(benefit, abs=1e-12)
        everyone = truth[known].mean() - (1 - truth[known].mean()) * t / (1 - t)
        assert point["treat_all"] == pytest.approx(everyone, abs=1e-12)
    middle = points[99 + 29]
    assert middle["low"] < middle["net_benefit"] < middle["high"]
