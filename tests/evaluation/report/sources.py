"""What a report is told besides the evaluation's own files: data set, quality, cost, ledger, provenance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medgraft.evaluation.arrays import Ints
from medgraft.seeds import derive

Result = dict[str, Any]
Splits = dict[str, tuple[Ints, Ints]]  # labels and groups


def sources(dataset: Result, names: Sequence[str], openings: int) -> Result:
    """The arguments of `write_report`."""
    prints = {name: f"{derive('print', name):032x}" for name in ("dataset", *names)}
    return {
        "quality": _quality(),
        "dataset_card": dataset,
        "cost": {name: _cost(8.0 + index) for index, name in enumerate(names)},
        "ledger": {"test_set": dataset["test_set"], "openings": openings, "this_opening": openings},
        "provenance": [
            {"artifact": "dataset", "name": dataset["name"], "fingerprint": prints["dataset"], "made_from": {}},
            *(
                {
                    "artifact": "candidate",
                    "name": n,
                    "fingerprint": prints[n],
                    "made_from": {"dataset": prints["dataset"]},
                }
                for n in names
            ),
        ],
        "initializations": {
            "imagenet": {
                "method": "published",
                "architecture": "tf_efficientnet_lite0",
                "source": "timm tf_efficientnet_lite0.in1k (https://huggingface.co/timm/tf_efficientnet_lite0.in1k)",
                "licence": "Apache-2.0",
            }
        },
    }


def _cost(median: float) -> Result:
    low, high = median - 0.5, median + 1.5
    return {
        "latency_ms_batch1_median": median,
        "latency_ms_low": low,
        "latency_ms_high": high,
        "threads": 2,
        "batch": 1,
    }


def dataset_card(classes: Sequence[str], scored: list[str], splits: Splits, warnings: Sequence[str]) -> Result:
    """The card of a data set with these splits, and a train split."""

    def counts(y: Ints, groups: Ints) -> Result:
        labels = {label: int((y == c).sum()) for c, label in enumerate(classes)}
        return {"images": len(y), "groups": len(np.unique(groups)), "labels": labels}

    train = {"images": 600, "groups": 300, "labels": dict.fromkeys(classes, 600 // len(classes))}
    reason = "8 positive patients in validation, 6 positive patients in test (fewer than 10)"
    return {
        "name": "dermoscopy_phantom",
        "task": "binary" if len(classes) == 2 else "multiclass",
        "classes": list(classes),
        "scored": scored,
        "unscored": {} if len(classes) == 2 else {label: reason for label in classes if label not in scored},
        "fingerprint": f"{derive('dataset'):032x}",
        "test_set": f"{derive('test_set'):032x}",
        "warnings": list(warnings),
        "licence": "CC0-1.0",
        "splits": {"train": train} | {s: counts(*of_split) for s, of_split in splits.items()},
    }


def _quality() -> Result:
    reasons = ("file is truncated", "no label", "label not among dataset.classes (did you mean 'benign'?)")
    return {
        "rows": 1100,
        "kept": 1013,
        "quarantined": [{"source_uri": f"labels.csv row {7 * i + 3}", "reason": reasons[i % 3]} for i in range(60)],
        "duplicates": [
            {"source_uri": f"labels.csv row {9 * i + 5}", "of": f"labels.csv row {9 * i}"} for i in range(27)
        ],
        "merged_groups": 2,
        "reasons": {"file is truncated": 20, "no label": 20, "label not among dataset.classes": 20},
        "images": {
            "width": {"min": 450, "median": 1022.5, "max": 6000},
            "height": {"min": 450, "median": 767.0, "max": 4000},
            "modes": {"L": 13, "RGB": 1000},
        },
        "transformations": {"rotated by EXIF": 4, "metadata removed": 388},
        "group_sizes": {"min": 1, "median": 2.0, "max": 3},
    }
