"""All candidates side by side: what metrics.json and predictions.parquet of an evaluation say."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from medgraft.data.dataset import label_column
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.calibration import temperature_cautions
from medgraft.evaluation.choosing import Contender, seed_values, validation_facts
from medgraft.evaluation.figures import bound_by
from medgraft.evaluation.fits import edge_cautions, fusion
from medgraft.evaluation.parts import Part, part_warnings
from medgraft.evaluation.readout import probabilities
from medgraft.evaluation.selection import CandidateScore, Selection
from medgraft.evaluation.subgroups import subgroups
from medgraft.evaluation.testing import calibration, difference, figures, losses

Facts = dict[str, Any]
LEVEL = 0.95


def metrics(
    card: Mapping[str, Any],
    selection: Selection,
    contenders: Sequence[Contender],
    scores: Sequence[CandidateScore],
    validation: Part,
    test: Part,
) -> Facts:
    """The figures of all candidates on the opened test split, and the winner's in subgroups; the dataset's card.

    `looks`: how many scores on validation a choice was made by, finalists of searches among them.
    """
    by, settings = test.by, test.by.settings
    reference = next(c for c in contenders if c.name == (settings.reference or contenders[0].name))
    winner = next(c for c in contenders if c.name == selection.winner)
    dataset = {key: card[key] for key in ("name", "fingerprint", "test_set", "splits")}
    return {
        "task": by.task,
        "classes": by.classes,
        "scored": card["scored"],
        "unscored": card["unscored"],
        "metric": settings.metric,
        "reference": reference.name,
        "draws": settings.draws,
        "level": LEVEL,
        "specificity_target": settings.specificity,
        "sensitivity_target": settings.sensitivity,
        "unit": {"of": settings.unit, "aggregate": settings.aggregate},
        "units": {part.name: len(part.truths) for part in (validation, test)},
        "dataset": dataset | {"warnings": [*card["warnings"], *part_warnings(validation), *part_warnings(test)]},
        "winner": selection.winner,
        "best_on_validation": selection.best,
        "looks": sum(contender.candidate.card["looks"] for contender in contenders),
        "candidates": {
            contender.name: _candidate(contender, score, reference, validation, test)
            for contender, score in zip(contenders, scores, strict=True)
        },
        "subgroups": subgroups(winner.read(test), card["subgroups"]),
    }


def predictions(contenders: Sequence[Contender], parts: Sequence[Part]) -> pl.DataFrame:
    """The packaged models' calibrated probabilities of every image, with its label (`labels`: of a multilabel task)."""
    task = parts[0].by.task
    kind = pl.List(pl.Int8) if task == "multilabel" else pl.Int64
    frames = [
        pl.DataFrame(
            {
                "candidate": [contender.name] * len(part.labels),
                "split": [part.name] * len(part.labels),
                "image_id": part.rows["image_id"],
                "group_id": part.rows["group_id"],
                label_column(task): pl.Series(part.labels, dtype=kind),
                "probabilities": contender.read(part).images.tolist(),
            }
        )
        for contender in contenders
        for part in parts
    ]
    return pl.concat(frames)


def _candidate(
    contender: Contender, score: CandidateScore, reference: Contender, validation: Part, test: Part
) -> Facts:
    card, reading = contender.candidate.card, contender.read(test)
    logits = contender.candidate.logits[test.name][contender.packaged]
    values = seed_values(contender, test)[:, 0]
    packaged = next(f for f in card["fits"] if (f["fraction"], f["seed"]) == contender.packaged)
    compared = None if contender is reference else difference(reading, reference.read(test))
    return {
        "strategy": card["strategy"],
        "initializations": list(card["initializations"]),
        **asdict(contender.size),
        "temperature": reading.readout.temperature,
        "looks": card["looks"],
        "warnings": [
            *card["warnings"],
            *edge_cautions(card["fits"]),
            *temperature_cautions(reading.readout.temperature),
        ],
        "validation": validation_facts(score),
        "test": figures(reading) | {"seeds": {"values": _known(values), "sd": _sd(values)}},
        "difference": None if compared is None else {"reference": reference.name} | compared,
        "calibration": {
            "before": losses(test, test.of_units(probabilities(test.by.task, logits))),
            "after": calibration(reading),
        },
        "curve": _curve(contender, validation, test),
        "fusion": fusion(packaged),
    }


def _curve(contender: Contender, validation: Part, test: Part) -> list[Facts]:
    """The learning curve: the metric on test, mean over seeds, its sampling interval, and the seeds' spread apart."""
    points = []
    for fraction in sorted({fraction for fraction, _ in contender.candidate.runs}):
        fits = [fit for fit in contender.candidate.card["fits"] if fit["fraction"] == fraction]
        values = seed_values(contender, test, fraction)
        found = test.sampling.interval(values.mean(axis=0), bound_by(test.by.settings.metric, test))
        points.append(
            {
                "fraction": fraction,
                "train_images": _mean([fit["train_images"] for fit in fits]),
                "train_groups": _mean([fit["train_groups"] for fit in fits]),
                "validation_images": len(validation.labels),
                "mean": found.estimate,
                "seed_sd": _sd(values[:, 0]),
                "low": found.low,
                "high": found.high,
                "seeds": _known(values[:, 0]),
            }
        )
    return points


def _mean(counts: Sequence[int]) -> int:
    return round(float(np.mean(counts)))


def _known(values: Floats) -> list[float | None]:
    """None where the figure is undefined: test has one outcome only, counted by units."""
    return [None if np.isnan(value) else float(value) for value in values]


def _sd(values: Floats) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 and not np.isnan(values).any() else None
