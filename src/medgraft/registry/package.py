"""The MLflow model folder of the winner: ONNX, weights, card, and what promotion must know later."""

import base64
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema
from PIL import Image

from medgraft.artifacts import read_json, write_json
from medgraft.data.overlap import exposed_together, exposure
from medgraft.data.stored import decode_stored
from medgraft.data.volumes import encode_nifti
from medgraft.errors import UserError
from medgraft.networks.export import INPUT, MODEL, export_calibrated
from medgraft.networks.initialization import EXPOSED
from medgraft.networks.network import SPEC, WEIGHTS, NetworkSpec, load_network
from medgraft.registry.card import model_card
from medgraft.registry.winner import Winner

MODEL_CARD, PACKAGE, TRAINING_GROUPS = "model_card.md", "package.json", "training_groups.json"
CONTENT = Path("artifacts", "package")  # of those files inside the MLflow model folder
SERVED_MODEL = Path(__file__).with_name("served_model.py")
SERVED_WITH = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow")
SERVED_WITH_VOLUMES = (*SERVED_WITH, "nibabel")
FOUND_IN_WORKING_DIRECTORY = ("uv.lock", "pyproject.toml", ".python-version")  # mlflow copies a stranger's project


@dataclass(frozen=True)
class Release:
    """What a package is told beside the winner.

    `max_pixels`: larger images are refused; `openings`: how often the test set was opened; `fingerprint`: the
    registration's.
    """

    model_name: str
    max_pixels: int
    openings: int
    fingerprint: str


def write_package(folder: Path, winner: Winner, dataset: Path, release: Release) -> None:
    """Write the MLflow model folder. Nothing in it is pickled, nothing tells a path of the machine that wrote it."""
    with TemporaryDirectory() as temporary:
        content = Path(temporary, CONTENT.name)
        content.mkdir()
        _write_content(content, winner, dataset, release)
        needed = SERVED_WITH if winner.dataset["dimensions"] == 2 else SERVED_WITH_VOLUMES
        mlflow.pyfunc.save_model(
            path=folder,
            python_model=str(SERVED_MODEL),
            artifacts={"package": str(content)},
            signature=signature(winner.metrics["classes"]),
            input_example=input_example(winner.dataset["dimensions"]),
            pip_requirements=[f"{name}=={version(name)}" for name in needed],
        )
    for name in FOUND_IN_WORKING_DIRECTORY:
        (folder / name).unlink(missing_ok=True)
    _forget_paths(folder)


def signature(classes: Sequence[str]) -> ModelSignature:
    """Base64 text in, one float32 probability a class out."""
    outputs = Schema([ColSpec("float", label) for label in classes])
    return ModelSignature(inputs=Schema([ColSpec("string", INPUT)]), outputs=outputs)


def input_example(dimensions: int) -> pd.DataFrame:
    """A request with one image, or volume."""
    return pd.DataFrame({INPUT: [base64.b64encode(_ramp(dimensions)).decode()]})


def _ramp(dimensions: int) -> bytes:
    """A made-up gray ramp, nobody's picture."""
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    if dimensions == 3:
        return encode_nifti(np.repeat(ramp[::4, ::4, None], 16, axis=2), (1.0, 1.0, 1.0))
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    return buffer.getvalue()


def training_groups(winner: Winner, dataset: Path) -> dict[str, Any]:
    """What the model was fitted or chosen on, its initial weights' patients and images included; see `exposure`."""
    seen = [exposure(dataset, ["train", "validation"])]
    inherited = winner.folder / EXPOSED
    if inherited.is_file():
        seen.append(read_json(inherited))
    return exposed_together(seen)


def _write_content(folder: Path, winner: Winner, dataset: Path, release: Release) -> None:
    spec = _one_network(winner.folder)
    export_calibrated(winner.folder / MODEL, spec.task, winner.figures["temperature"], folder / MODEL)
    for name in (WEIGHTS, SPEC):
        shutil.copyfile(winner.folder / name, folder / name)
    fingerprints = {"registration": release.fingerprint} | winner.fingerprints
    card = model_card(winner, spec, release.model_name, release.openings, fingerprints)
    (folder / MODEL_CARD).write_text(card, encoding="utf-8")
    write_json(folder / PACKAGE, _package(winner, release, fingerprints))
    write_json(folder / TRAINING_GROUPS, training_groups(winner, dataset))


def _one_network(candidate: Path) -> NetworkSpec:
    """The spec of a candidate whose graph, which is served, and weights, which occlusion maps are made by, agree.

    Raises `UserError` if their logits of one image do not: nothing else compares the two files.
    """
    network = load_network(candidate)
    image = decode_stored(_ramp(network.spec.dimensions), network.spec.dimensions)
    session = onnxruntime.InferenceSession(candidate / MODEL, providers=["CPUExecutionProvider"])
    (served,) = session.run(None, {INPUT: image.numpy()})
    expected = network.predict(image).numpy()
    if served.shape != expected.shape or not np.allclose(served, expected, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"{candidate / MODEL} and {WEIGHTS} beside it are of two networks: they say {served.ravel()} and "
            f"{expected.ravel()} of one image; run `medgraft transfer {candidate.name}` again"
        )
    return network.spec


def _package(winner: Winner, release: Release, fingerprints: dict[str, str]) -> dict[str, Any]:
    metrics = winner.metrics
    return {
        "model_name": release.model_name,
        "candidate": winner.name,
        "task": metrics["task"],
        "classes": metrics["classes"],
        "scored": metrics["scored"],
        "temperature": winner.figures["temperature"],
        "unit": metrics["unit"]["of"],
        "aggregate": metrics["unit"]["aggregate"],
        "decision_threshold": winner.figures["test"]["decision_threshold"],
        "decision_thresholds": winner.decision_thresholds,
        "operating_thresholds": winner.operating_thresholds,
        "specificity_target": metrics["specificity_target"],
        "sensitivity_target": metrics["sensitivity_target"],
        "max_pixels": release.max_pixels,
        "white": winner.dataset["white"],
        "dimensions": winner.dataset["dimensions"],
        "spacing": winner.spacing,
        "ungrouped": winner.dataset["asked"]["dataset"]["ungrouped"],
        "fingerprints": fingerprints,
    }


def _forget_paths(folder: Path) -> None:
    """MLflow notes where each file came from; keep where it lies in the folder instead."""
    model = Model.load(folder)
    flavor = model.flavors[mlflow.pyfunc.FLAVOR_NAME]
    flavor["model_code_path"] = SERVED_MODEL.name
    flavor["artifacts"]["package"]["uri"] = CONTENT.as_posix()
    model.save(folder / "MLmodel")
