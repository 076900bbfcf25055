"""Transferability scores of initializations and cuts: advice before a study, from stored features alone.

None of them has been shown to be reliable on medical images (Chaves et al., arXiv 2308.07444, tried seven on three
tasks), so nothing is chosen by them, and after a study the report says whether they helped.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import softmax

from medgraft.errors import UserError
from medgraft.networks.assembly import distinct_places
from medgraft.networks.cuts import WHOLE
from medgraft.networks.initialization import Initialization
from medgraft.seeds import derive
from medgraft.training.data import TrainingData
from medgraft.training.features import open_features
from medgraft.training.fitting import Compute
from medgraft.training.transferability import interval
from medgraft.training.transferability_scores import h_score, leep, logme, nce, transrate

BLOCKS = 10  # of patients, left out in turn: each costs as much as the score itself
ON_FEATURES = {"logme": logme, "h_score": h_score, "transrate": transrate}
ON_CLASSES = {"leep": leep, "nce": nce}
Score = Callable[[NDArray[np.float64], Any], float]


def rank(
    initialization: Initialization, data: TrainingData, window: tuple[float, float], compute: Compute
) -> list[dict[str, Any]]:
    """The scores of one initialization at the end of every block and as a whole, with 95 % intervals over patients.

    On train and validation images and labels. LEEP and NCE need the classes the weights were learned with: None without
    them, and at cuts.
    """
    spec = initialization.origin.backbone
    try:
        ends = [place.name for place in distinct_places(spec)[0] if place.ends_block]
    except UserError:  # it cannot be cut: then it is scored whole
        ends = []
    store = open_features(initialization, data.folder, window, compute, [*ends, WHOLE])
    rows = pl.concat([data.train, data.validation])
    examples = store.examples(data, rows)
    labels = examples.labels.astype(np.float64) if data.task == "multilabel" else examples.labels
    groups = np.array(examples.groups)
    found = []
    for place in [*ends, WHOLE]:
        features = examples.features[place].astype(np.float64)
        scores: dict[str, dict[str, float | None] | None] = {
            name: _told(score, features, labels, groups) for name, score in ON_FEATURES.items()
        }
        classes = _source_probabilities(initialization, features) if place == WHOLE else None
        scores |= {
            name: None if classes is None else _told(score, classes, labels, groups)
            for name, score in ON_CLASSES.items()
        }
        row = {"initialization": initialization.name, "place": place, "channels": features.shape[1]}
        found.append(row | {"scores": scores})
    return found


def _told(
    score: Score, inputs: NDArray[np.float64], labels: NDArray[Any], groups: NDArray[np.str_]
) -> dict[str, float | None]:
    return asdict(interval(score, inputs, labels, groups, BLOCKS, derive("ranking")))


def _source_probabilities(initialization: Initialization, features: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if initialization.classifier is None:
        return None
    weight, bias = (initialization.classifier[part].double().numpy() for part in ("weight", "bias"))
    return np.asarray(softmax(features @ weight.T + bias, axis=1))
