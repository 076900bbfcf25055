"""Records of made-up searches, as `transfer` writes them, and of made-up fusions."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medgraft.evaluation.selection import CandidateScore, select
from medgraft.seeds import derive

Result = dict[str, Any]

PLACES = ("stem", "layer1.2", "layer2.3", "layer3.0", "layer3.3", "layer3.5", "layer4.2", "whole")
LOSSES = (0.61, 0.52, 0.41, 0.405, 0.38, 0.4, 0.44, 0.45)
FINALISTS = ("layer3.3", "layer2.3", "full")


def cut_search(seeds: int = 2) -> Result:
    """Of strategy `truncated`: eight places, `layer4.2` at the edge; three finalists, the smallest was chosen."""
    probes = [_probe(place, loss, index) for index, (place, loss) in enumerate(zip(PLACES, LOSSES, strict=True))]
    scores = [_score(name, mean, seeds) for name, mean in zip(FINALISTS, (0.912, 0.911, 0.85), strict=True)]
    selection = select(scores)
    kept = np.linspace(0.99, 0.3, len(PLACES))
    return {
        "probes": probes,
        "finalists": list(FINALISTS),
        "looks": 3,
        "selection": asdict(selection),
        "metric": "auroc",
        "chosen": selection.winner,
        "drift": [
            {"name": name, "kept": float(share), "random": 0.35} for name, share in zip(PLACES, kept, strict=True)
        ],
    }


def source_search(names: Sequence[str]) -> Result:
    """Of strategy `best_source`: the first is the best, and the one finalist."""
    probes = [{"initialization": name} | _fit(0.4 + 0.05 * index, edge=False) for index, name in enumerate(names)]
    return {"probes": probes, "finalists": [names[0]], "looks": 0, "chosen": names[0]}


def fusion(names: Sequence[str]) -> Result:
    """Of strategy `dvme`: the later, the less attention, and the less is lost without it."""
    shares = np.arange(len(names), 0, -1) / np.arange(len(names) + 1).sum()
    without = {name: 0.4 + 0.02 * (len(names) - 2 - index) for index, name in enumerate(names)}
    return {
        "attention": dict(zip(names, shares.tolist(), strict=True)),
        "validation_loss": 0.4,
        "validation_loss_without": without if len(names) > 2 else None,
    }


def _probe(place: str, loss: float, index: int) -> Result:
    inside = place in ("layer3.0", "layer3.3")
    where = {"name": place, "block": index // 2, "ends_block": not inside, "channels": 64, "reduction": 8}
    size = {"parameters": 4 ** (index + 4), "macs": 10 * 4 ** (index + 4), "stage": 1 + inside}
    excess = {"excess": loss - min(LOSSES), "excess_se": 0.0 if loss == min(LOSSES) else 0.02}
    return where | size | _fit(loss, edge=place == "layer4.2") | excess


def _fit(loss: float, edge: bool) -> Result:
    return {
        "strength": 100.0 if edge else 0.01,
        "strength_at_edge": edge,
        "cross_validated_loss": loss,
        "cross_validated_loss_se": 0.03,
        "folds": 5,
    }


def _score(name: str, mean: float, seeds: int) -> CandidateScore:
    values = [mean + 0.002 * seed for seed in range(seeds)]
    noise = np.random.default_rng(derive("finalist", name)).normal(size=(seeds, 300))
    parameters = 4 ** (11 if name == "full" else PLACES.index(name) + 4)
    return CandidateScore(name, values, np.array(values)[:, None] + 0.01 * noise, parameters, 10 * parameters)
