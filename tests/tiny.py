"""A study small enough for a test: phantoms, a small network on small images, two candidates."""

from pathlib import Path
from typing import Any

from medgraft.data.phantom import write_phantoms


def tiny_source(folder: Path) -> Path:
    """Phantoms in `folder`: enough patients that validation and test have ten of either class."""
    return write_phantoms(folder, patients=110, size=48).folder


def tiny_params(source: Path, tracking_uri: str) -> dict[str, Any]:
    """What params.yaml says: a linear probe and full fine-tuning of one random initialization."""
    return {
        "dataset": {
            "name": "phantoms",
            "source": str(source),
            "reader": {
                "type": "manifest",
                "table": "labels.csv",
                "path": "file",
                "label": "finding",
                "group": "patient_id",
                "subgroups": ["site", "sex"],
            },
            "task": "binary",
            "classes": ["healthy", "lesion"],
            "group_key": "public",
        },
        "initializations": {"scratch": {"method": "random", "architecture": "test_efficientnet", "image_size": 32}},
        "candidates": {
            "probe": {"strategy": "linear", "initialization": "scratch"},
            "full": {"strategy": "full", "initialization": "scratch"},
        },
        "study": {"max_images": 256, "chunk_steps": 2, "device": "cpu"},
        "registration": {"model_name": "phantoms", "experiment": "tiny", "tracking_uri": tracking_uri},
    }
