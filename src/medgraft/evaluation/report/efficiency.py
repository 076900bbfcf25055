"""What candidates cost beside the one that fine-tunes everything: parameters, operations, file, latency."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medgraft.evaluation.cost import BATCHES

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cost, and how many times that of the candidate beside which it stands; both None where not measured."""

    value: float | None
    ratio: float | None


@dataclass(frozen=True)
class Comparison:
    """The costs of every candidate, by name and then by what is measured, beside those of the candidate `beside`."""

    beside: str
    rows: dict[str, dict[str, Cell]]


def latencies(cost: Mapping[str, Facts]) -> dict[str, dict[int, dict[str, float]]]:
    """Milliseconds an image, by candidate and number of images at once: "low", "median" and "high".

    `cost`: as in cost.json, where they are those of the whole batch.
    """
    return {
        name: {
            batch: {key: facts[f"latency_ms_batch{batch}_{key}"] / batch for key in ("low", "median", "high")}
            for batch in BATCHES
        }
        for name, facts in cost.items()
    }


def comparisons(candidates: Mapping[str, Facts], cost: Mapping[str, Facts]) -> list[Comparison]:
    """One for each candidate of strategy `full`, for the first of equal size; without any, for the largest candidate.

    Each row has "parameters", "macs", "size_bytes", and milliseconds an image: "batch1" and "batch32".
    """
    costs = {name: _costs(facts, latencies(cost).get(name, {})) for name, facts in candidates.items()}
    full: dict[tuple[int, int], str] = {}
    for name, facts in candidates.items():
        if facts["strategy"] == "full":
            full.setdefault(_size(facts), name)
    largest = max(candidates, key=lambda name: _size(candidates[name]))
    return [
        Comparison(beside, {name: _beside(own, costs[beside]) for name, own in costs.items()})
        for beside in (full.values() or [largest])
    ]


def _size(facts: Facts) -> tuple[int, int]:
    return facts["parameters"], facts["macs"]


def _costs(facts: Facts, latency: Mapping[int, Mapping[str, float]]) -> dict[str, float | None]:
    sizes = {key: facts[key] for key in ("parameters", "macs", "size_bytes")}
    medians = {f"batch{batch}": latency[batch]["median"] if latency else None for batch in BATCHES}
    return sizes | medians


def _beside(own: Mapping[str, float | None], other: Mapping[str, float | None]) -> dict[str, Cell]:
    return {key: Cell(value, _ratio(value, other[key])) for key, value in own.items()}


def _ratio(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None
