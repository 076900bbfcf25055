"""What a packaged model says about a dataset's images: asked as any client would ask it."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.pyfunc import PyFuncModel
from numpy.typing import NDArray

from medgraft.data.dataset import read_images
from medgraft.networks.export import INPUT

IMAGES_A_REQUEST = 64

Probabilities = dict[str, NDArray[np.float64]]


def predict_dataset(model: PyFuncModel, dataset: Path, splits: Sequence[str]) -> Probabilities:
    """Image id → probabilities float64 [classes], in [0, 1], for every image of the splits."""
    found: Probabilities = {}
    request: dict[str, str] = {}
    for image_id, raw in read_images(dataset, splits):
        request[image_id] = base64.b64encode(raw).decode()
        if len(request) == IMAGES_A_REQUEST:
            found |= _ask(model, request)
            request = {}
    return found | _ask(model, request)


def _ask(model: PyFuncModel, request: dict[str, str]) -> Probabilities:
    if not request:
        return {}
    answer = pd.DataFrame(model.predict(pd.DataFrame({INPUT: list(request.values())})))
    return dict(zip(request, answer.to_numpy(dtype=np.float64), strict=True))
