"""Folders whose figures evaluation and validation themselves computed, from made-up logits of many images a patient."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tests.evaluation.report import cohorts
from tests.evaluation.report.cases import draw, image_id
from tests.evaluation.report.cohorts import UNSCORED, Cohort
from tests.evaluation.report.searching import cut_search
from tests.evaluation.report.sources import Result, dataset_card, sources

from medgraft.artifacts import write_json
from medgraft.data.labels import Label
from medgraft.evaluation.choosing import Size, candidate_score, contender
from medgraft.evaluation.external import assess
from medgraft.evaluation.failures import Failures, failures
from medgraft.evaluation.judge import judge
from medgraft.evaluation.parts import part
from medgraft.evaluation.plots import write_plots
from medgraft.evaluation.readout import fixed_readout
from medgraft.evaluation.record import metrics
from medgraft.evaluation.results import Candidate
from medgraft.evaluation.selection import select
from medgraft.evaluation.validating import scored_here, validation_metrics
from medgraft.params import Evaluation

FIRST_IMAGE = {"validation": 0, "test": 10_000}
SKILL = {"good": 2.0, "poor": 1.2}


def compute(folder: Path, classes: tuple[str, ...], task: str, settings: Evaluation) -> Result:
    """Write an evaluation by the stage's own functions; returns what else `write_report` takes."""
    splits = {name: cohorts.cohort(task, name, n, classes, 3, None) for name, n in (("validation", 60), ("test", 80))}
    scored = list(classes[1:]) if task == "binary" else [label for label in classes if label not in UNSCORED]
    card = dataset_card(task, classes, scored, splits, 1, ["site", "age"], ["Made-up patients."])
    by = judge(card, settings)
    parts = {name: part(name, _rows(name, of), _labels(name, of), by) for name, of in splits.items()}
    contenders = [
        contender(_candidate(name, splits), Size(5_000_000, 400_000_000, 20_000_000), parts["validation"])
        for name in SKILL
    ]
    scores = [candidate_score(c, parts["validation"]) for c in contenders]
    selection = select(scores)
    write_json(folder / "selection.json", asdict(selection))
    found = metrics(card, selection, contenders, scores, parts["validation"], parts["test"])
    write_json(folder / "metrics.json", found)
    write_json(folder / "searches.json", {"poor": cut_search()})
    readings = {c.name: c.read(parts["test"]) for c in contenders}
    curves = {name: facts["curve"] for name, facts in found["candidates"].items()}
    write_plots(folder / "plots", readings, selection.winner, found["reference"], curves)
    _write_failures(folder, failures(readings[selection.winner]), settings)
    return sources(folder, card, list(SKILL), 1)


def compute_validation(folder: Path, classes: tuple[str, ...], task: str, settings: Evaluation) -> Result:
    """Write a validation by the stage's own functions; returns what else `write_validation_report` takes.

    The model has no threshold at the target sensitivity for the last class.
    """
    of = cohorts.cohort(task, "test", 80, classes, 3, None)
    card = dataset_card(task, classes, list(classes), {"test": of}, 1, ["site", "age"], ["Made-up patients."])
    rows, labels = _rows("test", of), _labels("test", of)
    scored, unscored = scored_here(card, rows["group_id"].to_list(), list(labels.values()))
    by = judge(card | {"scored": scored}, settings)
    thresholds = dict.fromkeys(classes, 0.4)
    readout = fixed_readout(by.task, classes, thresholds, dict.fromkeys(classes[:-1], 0.3), thresholds)
    p = cohorts.probabilities(task, cohorts.logits(of, 1.5, "validation"), 1.0)
    answers = dict(zip(_ids("test", of), p.tolist(), strict=True))
    found = assess("test", rows, labels, answers, readout, by, card["subgroups"])
    size = {"parameters": 5_000_000, "macs": 400_000_000, "size_bytes": 20_000_000}
    facts = validation_metrics(card, unscored, "nodules/3", found, 1.3, size)
    facts["candidates"]["nodules/3"]["warnings"] = []
    write_json(folder / "metrics.json", facts)
    write_plots(folder / "plots", {"nodules/3": found.reading}, "nodules/3", "nodules/3", {})
    _write_failures(folder, found.failures, settings)
    told = sources(folder, card | {"splits": _only(card, "test")}, [], 2)
    return {key: told[key] for key in ("dataset", "quality", "dataset_card", "ledger")}


def _only(card: Result, split: str) -> Result:
    return {split: card["splits"][split]}


def _write_failures(folder: Path, shown: Failures, settings: Evaluation) -> None:
    write_json(folder / "failures.json", shown.facts(settings.unit, settings.aggregate))
    for number, case in enumerate([*shown.mistakes, *shown.correct]):
        draw(folder / "gallery" / f"{case.image_id}.png", number)
        draw(folder / "gallery" / f"{case.image_id}_saliency.png", number, red=True)


def _ids(split: str, of: Cohort) -> list[str]:
    """Ascending, as rows are read."""
    return sorted(image_id(FIRST_IMAGE[split] + row) for row in range(len(of.groups)))


def _rows(split: str, of: Cohort) -> pl.DataFrame:
    sites, rng = np.array(["north", "south", "east"]), np.random.default_rng(1)
    age = rng.integers(20, 90, size=of.groups.max() + 1)[of.groups]
    return pl.DataFrame(
        {
            "image_id": _ids(split, of),
            "group_id": [f"{group:032x}" for group in of.groups],
            "study_id": [f"{group:031x}s" for group in of.groups],
            "split": split,
            "site": sites[of.groups % 5 % 3],
            "age": [None if group % 11 == 0 else int(years) for group, years in zip(of.groups, age, strict=True)],
        }
    )


def _labels(split: str, of: Cohort) -> dict[str, Label]:
    labels: list[Label] = [int(label) for label in of.labels]
    if of.task == "multilabel":
        labels = [tuple(None if np.isnan(truth) else int(truth) for truth in row) for row in of.truths]
    return dict(zip(_ids(split, of), labels, strict=True))


def _candidate(name: str, splits: dict[str, Cohort]) -> Candidate:
    """The poor one looked at validation thrice, and tells more of its runs."""
    fits: list[Result] = [
        {"fraction": fraction, "seed": seed, "train_images": int(600 * fraction), "train_groups": int(300 * fraction)}
        for fraction in (0.5, 1.0)
        for seed in (0, 1)
    ]
    runs: list[tuple[Any, Any]] = [(fit["fraction"], fit["seed"]) for fit in fits]
    logits = {
        split: {(f, seed): cohorts.logits(of, SKILL[name] * f, name, split, f, seed) for f, seed in runs}
        for split, of in splits.items()
    }
    if name == "poor":
        for fit in fits:
            fit |= {"strength": 1e-6, "strength_at_edge": fit["seed"] == 1, "validation_loss": 0.5}
            fit |= {"attention": {"imagenet": 0.6 - fit["seed"] / 10, "xray": 0.4 + fit["seed"] / 10}}
    card: Result = {"strategy": "full", "initializations": {"imagenet": "0" * 32}, "warnings": [], "fits": fits}
    card |= {"looks": 3 if name == "poor" else 1}
    return Candidate(name, Path(), card, logits)
