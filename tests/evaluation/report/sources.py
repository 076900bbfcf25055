"""What a report is told besides the evaluation's own files: data set, quality, cost, ledger, provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.evaluation.report.cases import draw, image_id
from tests.evaluation.report.cohorts import UNSCORED, Cohort

from medgraft.seeds import derive

Result = dict[str, Any]


def sources(folder: Path, dataset: Result, names: Sequence[str], openings: int) -> Result:
    """The arguments of `write_report`; thumbnails go to `folder/dataset`."""
    prints = {name: f"{derive('print', name):032x}" for name in ("dataset", *names)}
    return {
        "dataset": folder / "dataset",
        "quality": _quality(folder / "dataset", dataset["subgroups"]),
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
    """Milliseconds a batch: 32 images take 20 times as long as one."""
    spread = {"low": median - 0.5, "median": median, "high": median + 1.5}
    return {"threads": 2} | {
        f"latency_ms_batch{batch}_{key}": factor * value
        for batch, factor in ((1, 1), (32, 20))
        for key, value in spread.items()
    }


def dataset_card(
    task: str,
    classes: Sequence[str],
    scored: list[str],
    splits: Mapping[str, Cohort],
    images: int,
    subgroups: Sequence[str],
    warnings: Sequence[str],
) -> Result:
    """The card of a data set with these splits, and a train split; `images` a unit."""

    def counts(part: Cohort) -> Result:
        present, unknown = (images * (part.truths == 1).sum(axis=0), images * np.isnan(part.truths).sum(axis=0))
        return {
            "images": images * len(part.truths),
            "groups": len(np.unique(part.groups)),
            "labels": dict(zip(classes, present.tolist(), strict=True)),
            "unknown": dict(zip(classes, unknown.tolist(), strict=True)),
        }

    labels, unknown = dict.fromkeys(classes, 600 // len(classes)), dict.fromkeys(classes, 0)
    train = {"images": 600, "groups": 300, "labels": labels, "unknown": unknown}
    reason = "8 positive patients in validation, 6 positive patients in test (fewer than 10)"
    asked = {"reader": {"type": "manifest"}, "ungrouped": False, "unlabelled": "quarantine", "near_duplicates": True}
    split = {"validation": 0.2, "test": 0.25, "seed": 0, "held_out": None, "only_test": False}
    return {
        "name": "dermoscopy_phantom",
        "task": task,
        "classes": list(classes),
        "scored": scored,
        "unscored": {label: reason for label in classes if label in UNSCORED},
        "fingerprint": f"{derive('dataset'):032x}",
        "test_set": f"{derive('test_set'):032x}",
        "warnings": list(warnings),
        "licence": "CC0-1.0",
        "asked": {"dataset": asked, "split": split},
        "dimensions": 2,
        "white": None,
        "subgroups": list(subgroups),
        "splits": {"train": train} | {name: counts(part) for name, part in splits.items()},
    }


def _quality(dataset: Path, subgroups: Sequence[str]) -> Result:
    reasons = ("file is truncated", "no label", "label not among dataset.classes (did you mean 'benign'?)")
    near, suspects = [_pair(i, True) for i in range(3)], [_pair(i, False) for i in range(10, 24)]
    conflict = {
        "source_uri": ["labels.csv row 31", "labels.csv row 77"],
        "why": "the same pixels carry different labels",
        "image_ids": [image_id(900)],
    }
    thumbnails = {i: f"{i}.png" for entry in (*near, *suspects, conflict) for i in entry["image_ids"]}
    for name in thumbnails.values():
        draw(dataset / "thumbnails" / name, int(name[:6], 16))
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
        "near_duplicates": near,
        "suspects": suspects,
        "suspect_count": 41,
        "bounded": False,
        "conflicts": [conflict],
        "drift": [
            _drift("split", name, shift) for name, shift in (("train", None), ("validation", 0.02), ("test", 0.05))
        ]
        + [_drift(c, f"{c} {v}", 0.7 * v) for c in subgroups for v in range(2)],
        "thumbnails": thumbnails,
        "archive": {"members": 1103, "refused": 3},
        "white": {"value": 4095, "largest": 4012},
    }


def _pair(number: int, verified: bool) -> Result:
    return {
        "source_uri": f"labels.csv row {100 + number}",
        "of": f"labels.csv row {200 + number}",
        "distance": number % 4,
        "correlation": 0.997 if verified else 0.9,
        "inside": 0.991 if verified else None,
        "same_group": number % 2 == 0,
        "merged": verified,
        "labels_differ": None if number % 5 == 4 else number % 3 == 2,
        "image_ids": [image_id(1000 + 2 * number), image_id(1001 + 2 * number)],
    }


def _drift(column: str, value: str, shift: float | None) -> Result:
    return {
        "column": column,
        "value": value,
        "images": 250,
        "width": 1022.5,
        "height": 767.0,
        "intensity_mean": 120.4 + 20 * (shift or 0),
        "intensity_sd": 31.5,
        "smd": shift,
        "ks": None if shift is None else 0.4 * shift,
        "flag": shift is not None and shift > 0.5,
    }
