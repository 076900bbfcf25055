"""The evaluation's files as flat names and numbers, as MLflow takes them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from medgraft.registry.card import NAMES as FIGURES
from medgraft.registry.runs import Measurement

REFUSED = re.compile(r"[^\w \-]")  # MLflow would also take . : and / in names, but . and / are our own separators


def flatten(value: object, prefix: str = "") -> dict[str, str]:
    """Nested settings as `a.b` → text; lists are one text, what is not set is `none`."""
    if isinstance(value, Mapping):
        keys = {key: REFUSED.sub("_", str(key)) for key in value}
        parts = [flatten(inner, f"{prefix}.{keys[key]}" if prefix else keys[key]) for key, inner in value.items()]
        return {key: text for part in parts for key, text in part.items()}
    if isinstance(value, list | tuple):
        return {prefix: ", ".join(str(item) for item in value)}
    return {prefix: "none" if value is None else str(value)}


def candidate_measurements(
    figures: Mapping[str, Any], metric: str, scored: Sequence[str], history: pl.DataFrame, cost: Mapping[str, Any]
) -> list[Measurement]:
    """One candidate's numbers: `test/…`, `operating/…`, `validation/…`, `difference/…`, `calibration/…`, `curve/…`, …

    Figures on test are of the evaluation's unit of prediction, which is among its run's params. Those without a value,
    and those of classes that are not scored, are left out. `curve` is drawn over training images, `fit` over optimiser
    steps.
    """
    found = [Measurement(key, figures[key]) for key in ("parameters", "macs", "size_bytes", "temperature")]
    found += headline(figures, metric)
    names = safe_names(scored)
    for name, label in names.items():
        of_class = dict(figures["test"]["per_class"][label])
        found += _numbers(f"test/{name}/calibration", of_class.pop("calibration"))
        found += _intervals(f"test/{name}", of_class)
    safe = {label: name for name, label in names.items()}
    for point in figures["test"]["operating"]:
        reached = {key: point[key] for key in ("threshold", "sensitivity", "specificity", "ppv", "npv", "prevalence")}
        found += _intervals(f"operating/{point['target']}/{safe[point['class']]}", reached)
    if figures["difference"] is not None:
        found += _intervals("difference", figures["difference"])
    for when in ("before", "after"):
        found += _numbers(f"calibration/{when}", figures["calibration"][when])
    for point in figures["curve"]:
        numbers = {"": point["mean"]} | {f"_{key}": point[key] for key in ("low", "high", "seed_sd")}
        found += _numbers(f"curve/{metric}", numbers, step=point["train_images"], join="")
    for row in history.iter_rows(named=True):
        losses = {key: row[key] for key in ("train_loss", "validation_loss")}
        found += _numbers(f"fit/fraction_{row['fraction']:g}/seed_{row['seed']}", losses, step=row["step"])
    found += _numbers("cost", cost)
    return found


def headline(figures: Mapping[str, Any], metric: str) -> list[Measurement]:
    """What candidates are compared by: the score on validation and the macro figures on test."""
    validation = figures["validation"]
    score = {metric: validation["score"], f"{metric}_standard_error": validation["standard_error"]}
    seeds = {f"{metric}_seed_sd": figures["test"]["seeds"]["sd"]}
    return [
        *_numbers("validation", score),
        *_intervals("test", figures["test"]["macro"]),
        *_numbers("test", seeds),
    ]


def macro_measurements(macro: Mapping[str, Any]) -> list[Measurement]:
    """The macro figures on test, with their intervals."""
    return _intervals("test", macro)


def safe_names(labels: Sequence[str]) -> dict[str, str]:
    """Name → class, with what MLflow refuses in a metric's name, or reads as a folder, replaced; never two alike."""
    names: dict[str, str] = {}
    for index, label in enumerate(labels):
        name = REFUSED.sub("_", label).strip()
        while name in names or name in ("", *FIGURES):
            name = f"{name}_{index}"
        names[name] = label
    return names


def _intervals(prefix: str, values: Mapping[str, Any]) -> list[Measurement]:
    found: list[Measurement] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            numbers = {"": value["estimate"], "_low": value["low"], "_high": value["high"]}
            found += _numbers(f"{prefix}/{name}", numbers, join="")
        else:
            found += _numbers(prefix, {name: value})
    return found


def _numbers(prefix: str, values: Mapping[str, Any], step: int = 0, join: str = "/") -> list[Measurement]:
    return [
        Measurement(f"{prefix}{join}{name}", float(value), step)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ]
