"""Evaluation folders as `evaluate` writes them, from seeded scores, without any network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from tests.evaluation.report import cohorts, figures
from tests.evaluation.report.cases import write_failures
from tests.evaluation.report.cohorts import BINARY, UNSCORED, Cohort
from tests.evaluation.report.plots import write_plots
from tests.evaluation.report.sources import Result, dataset_card, sources

from medgraft.artifacts import write_json
from medgraft.evaluation.selection import CandidateScore, select
from medgraft.seeds import derive

NAMES = ("full_imagenet", "linear_imagenet", "full_random", "cut_imagenet_block4")
SKILL = dict(zip(NAMES, (2.3, 1.7, 1.3, 2.25), strict=True))
SIZE = dict(zip(NAMES, (4_652_008, 4_652_008, 4_652_008, 823_400), strict=True))
TEMPERATURE = 1.4
SITES = {"site": ("north", "south", "unknown"), "age": ("0–39", "40–59", "60–95")}


def make_evaluation(
    folder: Path,
    task: str = "binary",
    classes: Sequence[str] = BINARY,
    names: Sequence[str] = NAMES,
    fractions: Sequence[float] = (0.1, 0.4, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    openings: int = 1,
    warnings: Sequence[str] = (),
    rare: str | None = None,
    unit: Mapping[str, str] | None = None,
    subgroups: Mapping[str, Sequence[str]] = SITES,
    searches: Mapping[str, Result] | None = None,
    fusions: Mapping[str, Result] | None = None,
) -> Result:
    """Write an evaluation and the data set's thumbnails beside it; returns what else `write_report` takes.

    `rare`: a class with a positive patient or two in test, so that its intervals are withheld. `subgroups`: values
    by column; "unknown" is too small to be scored. `searches` and `fusions`: what candidates have of these, by name.
    """
    searches, fusions = searches or {}, fusions or {}
    unit = unit or {"of": "image", "aggregate": "mean"}
    per_patient = 1 if unit["of"] == "group" else 3
    splits = {
        name: cohorts.cohort(task, name, n, classes, per_patient, rare)
        for name, n in (("validation", 90), ("test", 160))
    }
    scored = list(classes[1:]) if task == "binary" else [label for label in classes if label not in UNSCORED]
    dataset = dataset_card(task, classes, scored, splits, 1 if unit["of"] == "image" else 2, list(subgroups), warnings)
    study = {name: _study(name, classes, scored, splits, fractions, seeds) for name in names}
    selection = select([study[name]["score"] for name in names])
    for name, candidate in study.items():
        candidate["figures"]["difference"] = None if name == names[0] else _difference(candidate, study[names[0]])
        candidate["figures"]["looks"] = len(searches[name]["finalists"]) if name in searches else 1
        candidate["figures"]["fusion"] = fusions.get(name)
    write_json(folder / "selection.json", asdict(selection))
    write_json(folder / "searches.json", searches)
    winner = study[selection.winner]
    metrics = {
        "task": task,
        "classes": list(classes),
        "scored": scored,
        "unscored": dataset["unscored"],
        "metric": "auroc",
        "reference": names[0],
        "draws": 2000,
        "level": 0.95,
        "specificity_target": 0.9,
        "sensitivity_target": 0.9,
        "unit": dict(unit),
        "units": {name: len(part.truths) for name, part in splits.items()},
        "dataset": {key: dataset[key] for key in ("name", "fingerprint", "test_set", "splits", "warnings")},
        "winner": selection.winner,
        "best_on_validation": selection.best,
        "looks": sum(study[name]["figures"]["looks"] for name in names),
        "candidates": {name: study[name]["figures"] for name in names},
        "subgroups": _strata(subgroups, winner["figures"]["test"]["per_class"], scored),
    }
    write_json(folder / "metrics.json", metrics)
    p = {name: study[name]["p"] for name in names}
    write_plots(folder / "plots", classes, scored, splits["test"], p, [selection.winner, names[0]])
    write_failures(folder, unit, splits["test"], classes, p[selection.winner], winner["figures"]["test"])
    return sources(folder, dataset, names, openings)


def _study(
    name: str,
    classes: Sequence[str],
    scored: list[str],
    splits: dict[str, Cohort],
    fractions: Sequence[float],
    seeds: Sequence[int],
) -> Result:
    task = splits["test"].task

    def run(split: str, fraction: float, seed: int, temperature: float = 1.0) -> Any:
        skill = (SKILL.get(name, 1.5) + 0.05 * seed) * fraction**0.3 / 1.3
        found = cohorts.logits(splits[split], skill, name, split, fraction, seed)
        return cohorts.probabilities(task, found, temperature)

    def score(split: str, fraction: float, seed: int) -> float:
        p = run(split, fraction, seed)
        pairs = [figures.outcome(splits[split], classes.index(label), p) for label in scored]
        return float(np.mean([roc_auc_score(y, q) for y, q in pairs]))

    packaged = {split: run(split, 1.0, seeds[0], TEMPERATURE) for split in splits}
    values = [score("validation", 1.0, seed) for seed in seeds]
    rng = np.random.default_rng(derive("draws", name))
    draws = np.array(values)[:, None] + 0.02 * rng.normal(size=(len(seeds), 300))
    parameters = SIZE.get(name, 5_000_000)
    curve = [_point(f, [score("test", f, seed) for seed in seeds], splits, scored, classes) for f in fractions]
    test = figures.of_test(splits, packaged, classes, scored)
    seeds_of_test = {"values": curve[-1]["seeds"], "sd": curve[-1]["seed_sd"]}
    return {
        "score": CandidateScore(name, values, draws, parameters, parameters * 85),
        "p": packaged["test"],
        "figures": {
            "strategy": name.split("_")[0],
            "initializations": [] if "random" in name else ["imagenet"],
            "parameters": parameters,
            "macs": parameters * 85,
            "size_bytes": parameters * 4 + 20_000,
            "temperature": TEMPERATURE,
            "warnings": [],
            "validation": {"score": float(np.mean(values)), "standard_error": 0.019, "seeds": values},
            "test": test | {"seeds": seeds_of_test},
            "calibration": figures.calibration(splits["test"], run("test", 1.0, seeds[0]), packaged["test"]),
            "curve": curve,
        },
    }


def _point(
    fraction: float, scores: list[float], splits: dict[str, Cohort], scored: Sequence[str], classes: Sequence[str]
) -> Result:
    positives = [len(np.unique(splits["test"].groups[splits["test"].truths[:, classes.index(c)] == 1])) for c in scored]
    band = figures.interval(float(np.mean(scores)), 150, min(positives) < 5)
    return {
        "fraction": fraction,
        "train_images": int(600 * fraction),
        "train_groups": int(300 * fraction),
        "validation_images": len(splits["validation"].truths),
        "mean": band["estimate"],
        "seed_sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        "low": band["low"],
        "high": band["high"],
        "seeds": scores,
    }


def _difference(a: Result, b: Result) -> Result:
    mine, other = (x["figures"]["test"]["macro"]["auroc"]["estimate"] for x in (a, b))
    difference = mine - other
    band = {"low": difference - 0.03, "high": difference + 0.03, "undefined_share": 0.0, "se": 0.015}
    return {"reference": b["score"].name, "auroc": {"estimate": difference} | band}


def _strata(subgroups: Mapping[str, Sequence[str]], per_class: Result, scored: Sequence[str]) -> list[Result]:
    """Strata a little better and worse than all; the first class of the last stratum of a column is withheld."""
    found = []
    for column, values in subgroups.items():
        for index, value in enumerate(values):
            small = value == "unknown"
            kept = [] if small else list(scored[1 if index == 2 else 0 :])
            shift = (0.02, -0.2, 0.0)[index]
            of_class = {
                label: {
                    key: figures.interval(max(0.3, min(0.99, per_class[label][key]["estimate"] + shift)), 60)
                    for key in ("auroc", "sensitivity", "specificity")
                }
                for label in kept
            }
            images = 7 if small else 80 + 10 * index
            withheld = "fewer than 10 positive or 10 negative patients" if not kept else None
            facts: Result = {"column": column, "value": value, "images": images, "groups": images // 2}
            found.append(facts | {"scored": kept, "figures": of_class, "withheld": withheld})
    return found
