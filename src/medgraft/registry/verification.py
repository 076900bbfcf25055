"""Served equals evaluated: the package must repeat the predictions it was chosen by."""

from pathlib import Path

import mlflow
import numpy as np
import polars as pl

from medgraft.errors import UserError
from medgraft.registry.prediction import predict_dataset

SPLITS = ("validation", "test")
TOLERANCE = 1e-5


def verify(package: Path, name: str, dataset: Path, evaluation: Path) -> float:
    """The largest deviation of the packaged model's probabilities from those evaluated for candidate `name`.

    Compares every validation and test image. Raises `UserError` when one is missing or deviates by more than 1e-5.
    """
    evaluated = evaluated_probabilities(evaluation, name, SPLITS)
    served = predict_dataset(mlflow.pyfunc.load_model(str(package)), dataset, SPLITS)
    if served.keys() != evaluated.keys():
        raise UserError(
            f"{len(served.keys() ^ evaluated.keys())} images are in only one of {dataset} and "
            f"{evaluation / 'predictions.parquet'}; run `medgraft evaluate` again"
        )
    deviation = float(np.max([np.abs(served[i] - evaluated[i]).max() for i in evaluated]))  # NaN stays NaN
    if not deviation <= TOLERANCE:
        raise UserError(
            f"the packaged model is not the one evaluated: its probabilities deviate by up to {deviation:.3g}, more "
            f"than {TOLERANCE:g}; nothing was registered. Run `medgraft transfer` and `medgraft evaluate` again; "
            "if it persists, images are decoded otherwise where they are served"
        )
    return deviation


def evaluated_probabilities(evaluation: Path, name: str, splits: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Image id → calibrated probabilities float64 [classes] of candidate `name`."""
    table = pl.read_parquet(evaluation / "predictions.parquet")
    rows = table.filter(pl.col("candidate") == name, pl.col("split").is_in(splits))
    return {i: np.asarray(p) for i, p in rows.select("image_id", "probabilities").iter_rows()}
