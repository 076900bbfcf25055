"""Every strategy on every kind of label: it learns, repeats itself, and its logits mean what the task says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tests.transfer.studies import CLASSES, initialization, study_run

from medgraft.data.dataset import read_images
from medgraft.data.stored import decode_stored
from medgraft.errors import UserError
from medgraft.networks.heads import CumulativeLink, Linear
from medgraft.params import Task
from medgraft.training.fitting import Fitted
from medgraft.transfer import Run, strategies

SOURCES = ["scratch", "other", "third"]
CUT = "blocks.2.0"
SETTINGS: dict[str, dict[str, Any]] = {
    "linear": {"initialization": "scratch"},
    "full": {"initialization": "scratch", "learning_rate": 5e-3},
    "lp_ft": {"initialization": "scratch"},
    "layerwise": {"initialization": "scratch", "cut": CUT, "learning_rate": 5e-3, "backbone_rate": 0.5},
    "truncated": {"initialization": "scratch", "cut": CUT, "learning_rate": 5e-3},
    "transfusion": {"initialization": "resnet", "cut": "layer2.1", "learning_rate": 2e-3},
    "concatenation": {"initializations": SOURCES[:2]},
    "mean_probability": {"initializations": SOURCES[:2]},
    "dvme": {"initializations": SOURCES, "epochs": 8, "learning_rate": 3e-4},
}
# Every strategy on findings, some of them unknown; those whose heads differ on the other kinds of label, too.
CASES: list[tuple[str, Task]] = [(name, "multilabel") for name in SETTINGS]
CASES += [(name, "ordinal") for name in ("linear", "full", "lp_ft", "mean_probability", "dvme")]
CASES += [(name, "binary") for name in ("linear", "transfusion")]


def run(folder: Path, task: Task, said: list[str]) -> Run:
    sources = [
        initialization("scratch"),
        initialization("other", seed=2, size=24),
        initialization("third", "resnet10t", seed=3),
        initialization("resnet", "resnet18", seed=4),
    ]
    return study_run(folder, task, sources, said)


def fitted_by(name: str, given: Run) -> Fitted:
    strategy = strategies.get(name)
    assert strategy.fit is not None
    return strategy.fit(given, strategy.settings(strategy=name, **SETTINGS[name]))


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_learns_what_can_be_seen(name: str, task: Task, tmp_path: Path) -> None:
    said: list[str] = []
    given = run(tmp_path, task, said)
    fitted = fitted_by(name, given)
    assert fitted.network.spec.task == task
    if name != "mean_probability":
        assert isinstance(fitted.network.head[-1], CumulativeLink if task == "ordinal" else Linear)
    raw = dict(read_images(given.data.folder, ["validation"]))
    images = torch.cat([decode_stored(raw[i], 2) for i in given.data.validation["image_id"]])
    logits = fitted.network.predict(images)
    table = given.data.truths(given.data.validation)
    scores = logits.sigmoid() if task == "multilabel" else logits.softmax(1)
    for index in range(len(CLASSES[task])):
        known = ~np.isnan(table[:, index])
        area = roc_auc_score(table[known, index], scores[known, index].numpy())
        assert area > (0.6 if task == "ordinal" and index == 1 else 0.8), CLASSES[task][index]
    p = np.clip(scores.double().numpy(), 1e-12, 1 - 1e-12)
    known = ~np.isnan(table)
    each = np.where(table == 1, -np.log(p), -np.log(1 - p) if task == "multilabel" else 0.0)
    loss = each[known].sum() / (known.sum() if task == "multilabel" else len(table))
    assert fitted.validation_loss == pytest.approx(loss, rel=2e-2, abs=5e-3)  # training sees rounded pixels
    if task == "multilabel":
        again = fitted_by(name, run(tmp_path, task, said))
        assert torch.equal(again.network.predict(images), logits)


@pytest.mark.parametrize("name", ["linear", "concatenation", "mean_probability", "dvme"])
def test_probing_leaves_every_backbone_as_it_was(name: str, tmp_path: Path) -> None:
    given = run(tmp_path, "binary", [])
    fitted = fitted_by(name, given)
    sources = strategies.get(name).settings(strategy=name, **SETTINGS[name]).sources
    for source, backbone in zip(sources, fitted.network.backbones, strict=True):
        before, after = given.initializations[source].weights, backbone.state_dict()
        assert any("running_mean" in key for key in before)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_layerwise_keeps_what_is_frozen_and_moves_the_rest(tmp_path: Path) -> None:
    given = run(tmp_path, "binary", [])
    layerwise = strategies.get("layerwise")
    assert layerwise.fit is not None
    told = {"initialization": "resnet", "cut": "layer3.0", "learning_rate": 5e-3, "epochs": 1}  # within a block
    fitted = layerwise.fit(given, layerwise.settings(strategy="layerwise", **told))
    after, before = fitted.network.backbones[0].state_dict(), given.initializations["resnet"].weights
    same = {key for key in before if torch.equal(before[key], after[key])}
    frozen = {key for key in before if key.startswith(("conv1", "bn1", "layer1", "layer2", "layer3.0"))}
    assert any("running_var" in key for key in frozen)
    assert frozen <= same
    moved = {key for key in before.keys() - frozen if "weight" in key or "running" in key}
    assert moved
    assert not moved & same


def test_layerwise_moves_the_backbone_at_its_own_rate(tmp_path: Path) -> None:
    given = run(tmp_path, "binary", [])
    before = given.initializations["scratch"].weights["blocks.4.0.conv_pw.weight"]
    layerwise = strategies.get("layerwise")
    assert layerwise.fit is not None
    moved = {}
    for rate in (1.0, 0.01):
        told = SETTINGS["layerwise"] | {"backbone_rate": rate, "weight_decay": 0.0, "epochs": 1}
        fitted = layerwise.fit(replace(given, key=f"key {rate}"), layerwise.settings(strategy="layerwise", **told))
        after = fitted.network.backbones[0].state_dict()["blocks.4.0.conv_pw.weight"]
        moved[rate] = (after - before).abs().max().item()
    # Adam's first steps are as long as the rate.
    assert moved[0.01] == pytest.approx(0.01 * moved[1.0], rel=0.5)


def test_fine_tuning_that_makes_it_worse_leaves_the_probe(tmp_path: Path) -> None:
    given = run(tmp_path, "multilabel", [])
    lp_ft = strategies.get("lp_ft")
    assert lp_ft.fit is not None
    hasty = lp_ft.settings(strategy="lp_ft", initialization="scratch", learning_rate=0.3)  # type: ignore[call-arg]  # its own keys
    fitted, probe = lp_ft.fit(given, hasty), fitted_by("linear", given)
    assert fitted.facts["best_step"] == 0
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    np.testing.assert_allclose(fitted.network.predict(images), probe.network.predict(images), rtol=1e-4, atol=1e-3)


def test_fine_tuning_starts_from_the_function_that_was_probed(tmp_path: Path) -> None:
    # Under the statistics of a batch, the features are others than those that the head was fitted on.
    given = run(tmp_path, "binary", [])
    lp_ft = strategies.get("lp_ft")
    assert lp_ft.fit is not None
    still = lp_ft.settings(strategy="lp_ft", initialization="scratch", learning_rate=1e-9, epochs=1)  # type: ignore[call-arg]  # its own keys
    fitted = lp_ft.fit(given, still)
    raw = dict(read_images(given.data.folder, ["train"]))
    logits = fitted.network.predict(torch.cat([decode_stored(raw[i], 2) for i in given.rows["image_id"]]))
    truths = torch.from_numpy(given.data.truths(given.rows).argmax(1))
    loss = torch.nn.functional.cross_entropy(logits, truths).item()
    assert fitted.history[0]["train_loss"] == pytest.approx(loss, rel=0.05)


def test_too_few_patients_are_told_with_the_run_that_has_them(tmp_path: Path) -> None:
    given = run(tmp_path, "binary", [])
    first = given.rows.filter(pl.col("group_id") == given.rows["group_id"][0])
    with pytest.raises(UserError, match=r"^a study · 5% of labels, initialization scratch: .*larger label fraction"):
        fitted_by("linear", replace(given, rows=first, title="a study · 5% of labels"))


def test_dvme_says_how_much_each_source_counts(tmp_path: Path) -> None:
    facts = fitted_by("dvme", run(tmp_path, "binary", [])).facts
    assert list(facts["attention"]) == SOURCES
    assert sum(facts["attention"].values()) == pytest.approx(1)
    assert list(facts["validation_loss_without"]) == SOURCES


def test_a_source_that_tells_all_is_missed_and_those_that_tell_nothing_are_not(tmp_path: Path) -> None:
    seeing = initialization("seeing")
    blind = [
        replace(
            seeing,
            name=name,
            weights={k: w * k.startswith("blocks.0") for k, w in seeing.weights.items()},
            card={"sha256": name},
        )
        for name in ("blind", "blinder")
    ]
    given = study_run(tmp_path, "binary", [blind[0], seeing, blind[1]], [])
    dvme = strategies.get("dvme")
    assert dvme.fit is not None
    told = {"strategy": "dvme", "initializations": ["blind", "seeing", "blinder"], "epochs": 8, "learning_rate": 3e-4}
    fitted = dvme.fit(given, dvme.settings(**told))
    without = fitted.facts["validation_loss_without"]
    assert without["seeing"] == pytest.approx(np.log(2), abs=0.05)
    assert max(without["blind"], without["blinder"], fitted.validation_loss) < 0.5 * without["seeing"]


def test_the_mean_of_probabilities_is_that(tmp_path: Path) -> None:
    given = run(tmp_path, "ordinal", [])
    both = fitted_by("mean_probability", given)
    linear = strategies.get("linear")
    assert linear.fit is not None
    alone = [
        linear.fit(given, linear.settings(strategy="linear", initialization=name)).network  # type: ignore[call-arg]  # its own key
        for name in SOURCES[:2]
    ]
    raw = dict(read_images(given.data.folder, ["validation"]))
    images = torch.cat([decode_stored(value, 2) for value in raw.values()])
    expected = sum(network.predict(images).double().softmax(1) for network in alone) / 2
    np.testing.assert_allclose(both.network.predict(images).double().softmax(1), expected, atol=1e-6)
