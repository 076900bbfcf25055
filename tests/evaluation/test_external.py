"""A fixed model on new data: the same figures as an evaluation states, and nothing fitted."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, mean_absolute_error, roc_auc_score
from tests.evaluation.made_up import judge, logits, split

from medgraft.errors import UserError
from medgraft.evaluation import readout
from medgraft.evaluation.external import Assessment, assess
from medgraft.evaluation.failures import failures
from medgraft.evaluation.judge import Judge
from medgraft.evaluation.parts import part_warnings
from medgraft.evaluation.readout import Reading, Readout, fit_readout, fixed_readout, reading
from medgraft.evaluation.subgroups import subgroups
from medgraft.evaluation.testing import calibration, figures
from medgraft.params import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "ordinal", "multilabel")


def fitted(by: Judge, images: int = 2) -> Reading:
    validation, test = (split(by, name, images=images) for name in ("validation", "test"))
    found = fit_readout(logits(validation), validation)
    return reading(test, found, found.probabilities(logits(test)))


def stored(found: Readout, classes: list[str]) -> Readout:
    specific, sensitive = (dict(zip(classes, v.tolist(), strict=True)) for v in (found.specific, found.sensitive))
    decision = {label: found.decision_threshold(c) for c, label in enumerate(classes)}
    return fixed_readout(found.task, classes, specific, sensitive, decision)


def assessed(r: Reading) -> Assessment:
    by = r.part.by
    return assess(
        "test",
        r.part.rows,
        dict(zip(r.part.image_ids, r.part.labels, strict=True)),
        dict(zip(r.part.image_ids, r.images, strict=True)),
        stored(r.readout, list(by.classes)),
        by,
        ["sex", "age"],
    )


@pytest.mark.parametrize("unit", ["image", "study"])
@pytest.mark.parametrize("task", TASKS)
def test_the_same_figures_as_the_evaluation(task: Task, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    r = fitted(judge(task, unit=unit, prevalence={"c1": 0.1}), images=2 if task == "multiclass" else 4)

    def no_fitting(*_: object) -> None:
        raise AssertionError("nothing may be fitted on external data")

    for name in ("fit_temperature", "fit_label_temperature", "youden_threshold"):
        monkeypatch.setattr(readout, name, no_fitting)
    found = assessed(r)
    assert found.test == figures(r)
    assert found.calibration == calibration(r)
    assert found.subgroups == subgroups(r, ["sex", "age"])
    assert found.failures == failures(r)
    assert {row["class"] for row in found.decision_curve} == {r.part.by.classes[c] for c in r.part.by.scored}
    assert (found.units, found.warnings) == (len(r.part.truths), part_warnings(r.part))
    json.dumps([found.test, found.calibration, found.subgroups, found.decision_curve], allow_nan=False)


def test_figures_of_grades_equal_scikit_learn() -> None:
    r = fitted(judge("ordinal", classes=4))
    found, p = figures(r), r.p
    y = r.part.truths.argmax(axis=1)
    d = np.array([next(g for g in range(4) if row[: g + 1].sum() > 0.5) for row in p])
    macro = {name: facts["estimate"] for name, facts in found["macro"].items()}
    assert macro["quadratic_kappa"] == pytest.approx(cohen_kappa_score(y, d, weights="quadratic"), abs=1e-12)
    assert macro["mae"] == pytest.approx(mean_absolute_error(y, d), abs=1e-12)
    assert macro["auroc"] == pytest.approx(np.mean([roc_auc_score(y == c, p[:, c]) for c in range(4)]), abs=1e-12)
    assert found["confusion"] == confusion_matrix(y, d).tolist()
    assert found["decision_threshold"] is None
    kappa = found["macro"]["quadratic_kappa"]
    assert kappa["low"] < kappa["estimate"] < kappa["high"]


def test_figures_of_labels_are_macro_over_the_scored() -> None:
    r = fitted(judge("multilabel", classes=4, scored=[0, 3]))
    found, truths = figures(r), r.part.truths
    per_class = found["per_class"]
    for name in ("auroc", "auprc", "f1", "sensitivity", "specificity"):
        expected = np.mean([per_class[label][name]["estimate"] for label in ("c0", "c3")])
        assert found["macro"][name]["estimate"] == pytest.approx(expected, abs=1e-12)
    called = r.readout.called(r.p)
    balanced = [(called[truths[:, c] == 1, c].mean() + (~called[truths[:, c] == 0, c]).mean()) / 2 for c in (0, 3)]
    assert found["macro"]["balanced_accuracy"]["estimate"] == pytest.approx(np.mean(balanced), abs=1e-12)
    assert (found["confusion"], found["decision_threshold"]) == (None, None)
    for c, label in enumerate(r.part.by.classes):
        facts, truth = per_class[label], truths[:, c]
        counts = (facts["positives"], facts["negatives"], facts["unknown"])
        assert counts == ((truth == 1).sum(), (truth == 0).sum(), np.isnan(truth).sum())
        assert facts["decision_threshold"] == r.readout.decision_threshold(c)
        known = ~np.isnan(truth)
        assert facts["calibration"]["brier"] == pytest.approx(((r.p[known, c] - truth[known]) ** 2).mean())
    assert per_class["c1"]["unknown"] > 0


def test_a_label_without_a_threshold_is_undecided_not_never_called() -> None:
    r = fitted(judge("multilabel", classes=4, scored=[0, 3]))
    assert r.readout.decision is not None
    decision = r.readout.decision.copy()
    decision[3] = np.nan
    found = figures(replace(r, readout=replace(r.readout, decision=decision)))
    label, other = (found["per_class"][name] for name in ("c3", "c0"))
    assert [label[name]["estimate"] for name in ("f1", "recall")] == [None, None]
    assert other == figures(r)["per_class"]["c0"]
    assert [found["macro"][name]["estimate"] for name in ("f1", "balanced_accuracy")] == [None, None]
    assert found["macro"]["auroc"] == figures(r)["macro"]["auroc"]


def test_what_is_predicted_of_unknown_truths_changes_nothing() -> None:
    r = fitted(judge("multilabel"))
    scrambled = r.images.copy()
    unknown = np.isnan(r.part.image_truths)
    scrambled[unknown] = np.random.default_rng(1).random(unknown.sum())
    other = reading(r.part, r.readout, scrambled)
    assert figures(other) == figures(r)
    assert calibration(other) == calibration(r)


def test_a_missing_prediction_is_refused() -> None:
    r = fitted(judge("binary"))
    by_id = dict(zip(r.part.image_ids, r.images, strict=True))
    labels = dict(zip(r.part.image_ids, r.part.labels, strict=True))
    del by_id[r.part.image_ids[3]]
    with pytest.raises(UserError, match="1 of 160 images of site B have no prediction"):
        assess("site B", r.part.rows, labels, by_id, r.readout, r.part.by, [])


def test_units_that_contradict_themselves_are_left_out_with_a_warning() -> None:
    r = fitted(judge("multiclass"))
    patients = replace(r.part.by, settings=r.part.by.settings.model_copy(update={"unit": "group"}))
    labels = dict(zip(r.part.image_ids, r.part.labels, strict=True))
    found = assess(
        "test", r.part.rows, labels, dict(zip(r.part.image_ids, r.images, strict=True)), r.readout, patients, []
    )
    left_out = 80 - found.units
    assert 0 < left_out < 80
    assert found.warnings[0] == (
        f"{left_out} of 80 test patients have images of several classes: they are left out of every figure."
    )
