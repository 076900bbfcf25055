"""Every strategy on a real set, from params.yaml to a registered model, through one of the engines.

    MLFLOW_TRACKING_URI=… python -m benchmarks.strategies malaria_cells /tmp/malaria --vit vit_small.safetensors

Sets: malaria_cells (binary), knee_kl_grade (ordinal), nih_cxr_multilabel, adrenal_28 and adrenal_64 (volumes). Writes
the workspace, runs it there and prints the leaderboard. `--quick` is a look at whether every strategy runs: its numbers
mean nothing. The ViT is that of `benchmarks.dinov2`, at 112 px.

ResNet-18, which `transfusion` needs, starts from training on another of the sets, for want of ImageNet weights of one;
of volumes there is no other set: there it starts from random weights.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from tests.pipeline.workspace import make_workspace

from benchmarks.ingestion import SHARED
from benchmarks.throughput import ingested
from medgraft.evaluation.leaderboard import leaderboard_table

ROOT = Path(__file__).parents[1]
ADRENAL = {"adrenal_28": ("adrenalmnist3d.npz", 28), "adrenal_64": ("adrenalmnist3d_64.npz", 64)}
OTHER = {"malaria_cells": "knee_kl_grade", "knee_kl_grade": "malaria_cells", "nih_cxr_multilabel": "knee_kl_grade"}


@dataclass(frozen=True)
class Scale:
    """How long a fine-tuning lasts, on how many seeds."""

    epochs: int
    seeds: list[int]
    fused_epochs: int = 20  # of a head on stored features
    max_images: int = 12_000


SCALES = {
    "malaria_cells": Scale(3, [0]),
    "knee_kl_grade": Scale(6, [0, 1]),
    "nih_cxr_multilabel": Scale(8, [0, 1]),
    "adrenal_28": Scale(4, [0]),
    "adrenal_64": Scale(1, [0], max_images=320),
}
QUICK = Scale(1, [0], 2, 128)


def params(name: str, scale: Scale, vit: Path, source: Path) -> dict[str, Any]:
    """What params.yaml says; `source` is the dataset artifact that ResNet-18 is first trained on."""
    volumes = name in ADRENAL
    given = _adrenal(name) if volumes else _recipe(name)
    sources = _of_volumes(ADRENAL[name][1]) if volumes else _of_images(given, vit, source, scale)
    given["study"] = given.get("study", {}) | {
        "fractions": [1.0],
        "seeds": scale.seeds,
        "max_images": scale.max_images,
        "chunk_steps": 30,
        "device": "cpu",
    }
    return given | {"initializations": sources, "candidates": _candidates(sources, scale)}


def _recipe(name: str) -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load((ROOT / f"recipes/{name}.yaml").read_text(encoding="utf-8"))
    given["dataset"]["source"] = str(SHARED / Path(given["dataset"]["source"]).name)
    return given


def _adrenal(name: str) -> dict[str, Any]:
    return {
        "dataset": {
            "name": name,
            "source": str(SHARED / "medmnist_small" / ADRENAL[name][0]),
            "task": "binary",
            "classes": ["normal", "hyperplasia"],
            "ungrouped": True,
            "group_key": "public",
            "reader": {"type": "medmnist", "names": {0: "normal", 1: "hyperplasia"}},
        },
        "study": {"augmentation": {"flips": "none"}},
        "evaluation": {"metric": "auroc", "reference": "linear_random"},
        "registration": {"model_name": name.replace("_", "-"), "experiment": name},
    }


def _of_images(given: dict[str, Any], vit: Path, source: Path, scale: Scale) -> dict[str, dict[str, Any]]:
    lite0 = given["initializations"]["imagenet_lite0"]
    size = {"image_size": lite0["image_size"]}
    return {
        "random": {"method": "random", "architecture": "tf_efficientnet_lite0", **size},
        "imagenet": lite0,
        "dinov2": {
            "method": "published",
            "architecture": "vit_small_patch14_dinov2",
            "weights": str(vit.resolve()),
            "image_size": 112,
            "licence": "MIT",
        },
        "related": {
            "method": "supervised",
            "dataset": str(source),
            "architecture": "resnet18",
            "epochs": scale.epochs,
            "study": {"device": "cpu", "max_images": scale.max_images},
            **size,
        },
    }


def _of_volumes(side: int) -> dict[str, dict[str, Any]]:
    lite0 = {"architecture": "tf_efficientnet_lite0", "image_size": side}
    published = {"method": "published", "weights": "package", **lite0}
    sources = {
        "random": {"method": "random", "volumes": "acs", **lite0},
        "imagenet": {"volumes": "acs", **published},
        "inflated": {"volumes": "inflated", **published},
        "resnet18": {"method": "random", "architecture": "resnet18", "image_size": side, "volumes": "acs"},
    }
    native = {"method": "random", "architecture": "monai_densenet121", "image_size": side, "volumes": "native"}
    return sources | ({"native": native} if side < 64 else {})  # at 64 a pass over the set takes too long without a GPU


def _candidates(sources: dict[str, Any], scale: Scale) -> dict[str, dict[str, Any]]:
    tuned = {"initialization": "imagenet", "epochs": scale.epochs}
    resnet = "related" if "related" in sources else "resnet18"
    other = {"initialization": resnet, "epochs": scale.epochs}
    many = {"initializations": list(sources)}
    return {
        **{f"linear_{name}": {"strategy": "linear", "initialization": name} for name in sources},
        "full": {"strategy": "full", **tuned},
        "full_random": {"strategy": "full", **tuned, "initialization": "random"},
        f"full_{resnet}": {"strategy": "full", **other},
        "lp_ft": {"strategy": "lp_ft", **tuned},
        "layerwise": {"strategy": "layerwise", "cut": "blocks.2.1", **tuned},
        # frozen up to its last cut, where only a pooling follows: the ResNet's probe with augmentation
        "linear_augmented": {"strategy": "layerwise", "cut": "layer4.1", "learning_rate": 0.003, **other},
        "transfusion": {"strategy": "transfusion", "cut": "layer3.1", **other},
        "truncated": {"strategy": "truncated", "cut": "blocks.4.2", **tuned},
        "truncated_search": {"strategy": "truncated", **tuned},
        "dvme": {"strategy": "dvme", **many, "epochs": scale.fused_epochs},
        "concatenation": {"strategy": "concatenation", **many},
        "mean_probability": {"strategy": "mean_probability", **many},
        "best_source": {"strategy": "best_source", **many},
    }


def run(engine: str, given: dict[str, Any], folder: Path) -> Path:
    """The evaluation artifact of the run."""
    if engine == "dvc":
        make_workspace(folder, given)
        command = [sys.executable, "-m", "dvc", "repro"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True)
        return folder / "artifacts/evaluation"
    return _kubeflow(given, folder)


def _kubeflow(given: dict[str, Any], folder: Path) -> Path:
    from kfp import local  # late: it is slow, and reads the environment
    from pipelines.study import study

    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "outputs"))
    study()(
        params=yaml.safe_dump(given, sort_keys=False),
        source=given["dataset"]["source"],
        tracking_uri=os.environ["MLFLOW_TRACKING_URI"],
        store=str(folder / "store"),
        overrides=[],
    )
    (outputs,) = (folder / "outputs").iterdir()
    return outputs / "evaluate" / "evaluation"


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(SCALES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=["dvc", "kubeflow"], default="dvc")
    parser.add_argument("--vit", type=Path, default=Path("vit_small.safetensors"))
    parser.add_argument("--quick", action="store_true", help="A look at whether it runs; its numbers mean nothing.")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True)
    other = OTHER.get(asked.name)
    source = ingested(other, folder / "other") if other else folder
    scale = QUICK if asked.quick else SCALES[asked.name]
    evaluation = run(asked.engine, params(asked.name, scale, asked.vit, source), folder / "study")
    Console(width=160).print(leaderboard_table(evaluation))


if __name__ == "__main__":
    main()
