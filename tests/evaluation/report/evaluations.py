"""Evaluation folders as `evaluate` writes them, from seeded scores and the real metrics, without any network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve
from tests.evaluation.report.sources import Result, Splits, dataset_card, sources

from medgraft.artifacts import write_json
from medgraft.evaluation import calibration, metrics, operating
from medgraft.evaluation.arrays import Floats, Ints
from medgraft.evaluation.selection import CandidateScore, select
from medgraft.evaluation.uncertainty import cluster_weights, interval, paired_difference
from medgraft.seeds import derive

NAMES = ("full_imagenet", "linear_imagenet", "full_random", "cut_imagenet_block4")
SKILL = dict(zip(NAMES, (2.3, 1.7, 1.3, 2.25), strict=True))
SIZE = dict(zip(NAMES, (4_652_008, 4_652_008, 4_652_008, 823_400), strict=True))
BINARY = ("benign", "malignant")
FIVE = ("nevus", "melanoma", "basal cell carcinoma", "actinic keratosis", "dermatofibroma")
DRAWS = 300


def make_evaluation(
    folder: Path,
    classes: Sequence[str] = BINARY,
    names: Sequence[str] = NAMES,
    fractions: Sequence[float] = (0.1, 0.4, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    openings: int = 1,
    warnings: Sequence[str] = (),
    rare: str | None = None,
) -> Result:
    """Write metrics.json, selection.json and plots/; returns what else `write_report` takes.

    `rare`: a class with a positive patient or two in test, so that its intervals are withheld.
    """
    binary = len(classes) == 2
    splits: Splits = {
        s: _labels(s, n, len(classes), binary, classes, rare) for s, n in (("validation", 90), ("test", 160))
    }
    scored = list(classes[1:]) if binary else list(classes[:4])
    dataset = dataset_card(classes, scored, splits, warnings)
    study = {name: _study(name, classes, scored, splits, fractions, seeds) for name in names}
    selection = select([study[name]["score"] for name in names])
    for name, candidate in study.items():
        candidate["figures"]["difference"] = None if name == names[0] else _difference(candidate, study[names[0]])
    write_json(folder / "selection.json", asdict(selection))
    figures = {
        "task": dataset["task"],
        "classes": list(classes),
        "scored": scored,
        "unscored": dataset["unscored"],
        "metric": "auroc",
        "reference": names[0],
        "draws": DRAWS,
        "level": 0.95,
        "specificity_target": 0.9,
        "dataset": {key: dataset[key] for key in ("name", "fingerprint", "test_set", "splits", "warnings")},
        "winner": selection.winner,
        "best_on_validation": selection.best,
        "candidates": {name: study[name]["figures"] for name in names},
    }
    write_json(folder / "metrics.json", figures)
    _plots(
        folder / "plots",
        classes,
        [classes.index(label) for label in scored],
        splits["test"],
        {n: study[n]["p"] for n in names},
    )
    return sources(dataset, names, openings)


def _labels(
    split: str, patients: int, n: int, binary: bool, classes: Sequence[str], rare: str | None
) -> tuple[Ints, Ints]:
    """Labels and groups of 1 to 3 images a patient, all of one class a patient."""
    rng = np.random.default_rng(derive(split))
    share = np.array([0.7, 0.3]) if binary else np.array([0.45, 0.2, 0.15, 0.15, 0.05])
    if rare is not None:
        share[classes.index(rare)] = 0
    of_patient = rng.choice(n, size=patients, p=share / share.sum())
    if rare is not None:
        of_patient[: 3 if split == "test" else 12] = classes.index(rare)
    groups = np.repeat(np.arange(patients), rng.integers(1, 4, size=patients))
    return of_patient[groups].astype(np.int64), groups.astype(np.int64)


def _logits(y: Ints, classes: int, skill: float, *parts: object) -> Floats:
    rng = np.random.default_rng(derive(*parts))
    return 1.6 * (rng.normal(size=(len(y), classes)) + skill * np.eye(classes)[y])


def _study(
    name: str,
    classes: Sequence[str],
    scored: list[str],
    splits: Splits,
    fractions: Sequence[float],
    seeds: Sequence[int],
) -> Result:
    kept = [classes.index(label) for label in scored]
    logits = {
        (s, f, seed): _logits(
            splits[s][0], len(classes), (SKILL.get(name, 1.5) + 0.05 * seed) * f**0.3 / 1.3, name, s, f, seed
        )
        for s in splits
        for f in fractions
        for seed in seeds
    }
    w = {s: cluster_weights(splits[s][1], DRAWS, 0) for s in splits}

    def area(s: str, p: Floats, w: Floats | None) -> Floats:
        weights = np.ones((1, len(p))) if w is None else w
        return metrics.macro(metrics.auroc(splits[s][0], p, weights), kept)

    def both(s: str, f: float) -> tuple[list[float], Floats]:
        ps = [calibration.softmax(logits[s, f, seed]) for seed in seeds]
        return [float(area(s, p, None)[0]) for p in ps], np.stack([area(s, p, w[s].astype(float)) for p in ps])

    values, draws = both("validation", 1.0)
    parameters, macs = SIZE.get(name, 5_000_000), SIZE.get(name, 5_000_000) * 85
    temperature = calibration.fit_temperature(logits["validation", 1.0, seeds[0]], splits["validation"][0])
    p = {s: calibration.softmax(logits[s, 1.0, seeds[0]], temperature) for s in splits}
    test_values = both("test", 1.0)[0]
    raw = calibration.softmax(logits["test", 1.0, seeds[0]])
    curve = []
    for f in fractions:
        at, at_draws = both("test", f)
        band = interval(float(np.mean(at)), at_draws.mean(axis=0))
        curve.append(
            {
                "fraction": f,
                "train_images": int(600 * f),
                "train_groups": int(300 * f),
                "validation_images": len(splits["validation"][0]),
                "mean": band.estimate,
                "seed_sd": float(np.std(at, ddof=1)) if len(seeds) > 1 else None,
                "low": band.low,
                "high": band.high,
                "seeds": at,
            }
        )
    se = interval(float(np.mean(values)), draws.mean(axis=0)).se
    return {
        "score": CandidateScore(name, values, draws, parameters, macs),
        "p": p["test"],
        "draws": area("test", p["test"], w["test"].astype(float)),
        "figures": {
            "strategy": name.split("_")[0],
            "initializations": [] if "random" in name else ["imagenet"],
            "parameters": parameters,
            "macs": macs,
            "size_bytes": parameters * 4 + 20_000,
            "temperature": temperature,
            "warnings": [],
            "validation": {"score": float(np.mean(values)), "standard_error": se, "seeds": values},
            "test": {
                **_test(classes, scored, splits, p, w["test"]),
                "seeds": {"values": test_values, "sd": curve[-1]["seed_sd"]},
            },
            "calibration": _calibration(splits["test"][0], raw, p["test"], len(classes)),
            "curve": curve,
        },
    }


def _test(classes: Sequence[str], scored: list[str], splits: Splits, p: Mapping[str, Floats], w: Any) -> Result:  # noqa: ANN401
    (y_val, _), (y, groups) = splits["validation"], splits["test"]
    n, one = len(classes), np.ones((1, len(y)))
    thresholds = np.array(
        [
            operating.threshold_at_specificity((y_val == c).astype(np.int64), p["validation"][:, c], 0.9)
            for c in range(n)
        ]
    )
    decision = operating.youden_threshold(y_val, p["validation"][:, 1]) if n == 2 else None
    d = operating.decide(p["test"], decision)
    figures: dict[str, Callable[[Any], Floats]] = {
        "auroc": lambda w: metrics.auroc(y, p["test"], w),
        "auprc": lambda w: metrics.auprc(y, p["test"], w),
        "f1": lambda w: metrics.f1(y, d, w, n),
        "recall": lambda w: metrics.recall(y, d, w, n),
        "sensitivity": lambda w: metrics.sensitivity_at(y, p["test"], thresholds, w),
        "specificity": lambda w: metrics.specificity_at(y, p["test"], thresholds, w),
    }
    kept = [classes.index(label) for label in scored]
    estimates, draws = ({k: figure(v) for k, figure in figures.items()} for v in (one, w))
    macro = {
        k: asdict(interval(float(metrics.macro(estimates[k], kept)[0]), metrics.macro(draws[k], kept)))
        for k in figures
        if k != "recall"
    }
    everyone = [0, 1] if n == 2 else kept
    macro["balanced_accuracy"] = asdict(
        interval(
            float(metrics.balanced_accuracy(y, d, one, n, everyone)[0]), metrics.balanced_accuracy(y, d, w, n, everyone)
        )
    )
    per_class = {
        classes[c]: {k: asdict(interval(float(estimates[k][0, c]), draws[k][:, c])) for k in figures}
        | {
            "threshold": float(thresholds[c]),
            "positives": int((y == c).sum()),
            "positive_groups": len(np.unique(groups[y == c])),
        }
        for c in range(n)
    }
    matrix = confusion_matrix(y, d, labels=range(n)).tolist()
    return {"macro": macro, "per_class": per_class, "decision_threshold": decision, "confusion": matrix}


def _calibration(y: Ints, raw: Floats, p: Floats, n: int) -> Result:
    def losses(q: Floats) -> Result:
        one = np.ones((1, len(y)))
        outcome, score = (y, q[:, 1]) if n == 2 else calibration.top_label(y, q)
        return {
            "nll": float(calibration.nll(y, q, one)[0]),
            "brier": float(calibration.brier(y, q, one)[0]),
            "ece": calibration.ece_equal_mass(outcome, score),
        }

    outcome, score = (y, p[:, 1]) if n == 2 else calibration.top_label(y, p)
    return {"before": losses(raw), "after": losses(p) | asdict(calibration.recalibration(outcome, score))}


def _difference(a: Result, b: Result) -> Result:
    mine, other = (x["figures"]["test"]["macro"]["auroc"]["estimate"] for x in (a, b))
    return {"reference": b["score"].name, "auroc": asdict(paired_difference(mine, other, a["draws"], b["draws"]))}


def _plots(
    folder: Path, classes: Sequence[str], scored: Sequence[int], test: tuple[Ints, Ints], p: Mapping[str, Floats]
) -> None:
    folder.mkdir()
    y, groups = test
    w = cluster_weights(groups, DRAWS, 0)
    rows: dict[str, list[Result]] = {"roc": [], "pr": [], "reliability": []}
    for name, probabilities in p.items():
        for c in scored:
            key = {"candidate": name, "class": classes[c]}
            outcome, score = (y == c).astype(np.int64), probabilities[:, c]
            x, sensitivity, _ = roc_curve(outcome, score)
            precision, recall, _ = precision_recall_curve(outcome, score)
            rows["roc"] += [key | {"x": a, "y": b} for a, b in zip(x, sensitivity, strict=True)]
            rows["pr"] += [key | {"x": a, "y": b} for a, b in zip(recall, precision, strict=True)]
            for b in calibration.reliability_curve(outcome, score, w=w):
                values = {"mean_predicted": b.predicted, "observed": b.observed, "low": b.low, "high": b.high}
                rows["reliability"].append(key | values | {"count": b.count})
    for kind, table in rows.items():
        pl.DataFrame(table, infer_schema_length=None).write_csv(folder / f"{kind}.csv")
