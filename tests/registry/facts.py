"""The parts of a study's files that no test of the registry computes: quality, thresholds, operating points."""

from collections.abc import Mapping, Sequence
from typing import Any

Facts = dict[str, Any]

ASKED = {
    "dataset": {
        "ungrouped": False,
        "unlabelled": "quarantine",
        "near_duplicates": True,
        "reader": {"type": "manifest"},
    },
    "split": {"validation": 0.2, "test": 0.2, "seed": 0, "held_out": None, "only_test": False},
}

LOOKS = {"solid": 1, "shaky": 3}
SEARCH: Facts = {"probes": [], "finalists": ["layer2", "layer3", "full"], "looks": 3, "chosen": "layer2"}


def splits(classes: Sequence[str], patients: Mapping[str, int]) -> Facts:
    """Of a data set with two images a patient, half of them of each class."""
    return {
        name: {
            "images": 2 * n,
            "groups": n,
            "labels": dict.fromkeys(classes, n),
            "unknown": dict.fromkeys(classes, 0),
        }
        for name, n in patients.items()
    }


def quality(images: int) -> Facts:
    """quality.json of a source without any fault."""
    return {
        "rows": images,
        "kept": images,
        "quarantined": [],
        "duplicates": [],
        "merged_groups": 0,
        "reasons": {},
        "images": {
            "width": {"min": 40, "median": 70.0, "max": 109},
            "height": {"min": 40, "median": 71.5, "max": 109},
            "modes": {"L": images},
        },
        "transformations": {},
        "group_sizes": {"min": 2, "median": 2.0, "max": 2},
        "near_duplicates": [],
        "suspects": [],
        "suspect_count": 0,
        "bounded": False,
        "conflicts": [],
        "drift": [],
        "thumbnails": {},
        "archive": None,
        "white": None,
    }


def of_test(classes: Sequence[str], interval: Facts, patients: int) -> Facts:
    """`test` of a binary candidate in metrics.json but for its seeds; every figure is `interval`."""
    figures = ("auroc", "auprc", "f1", "recall", "sensitivity", "specificity")
    of_class: Facts = dict.fromkeys(figures, interval)
    of_class |= {"threshold": 0.5, "decision_threshold": None}
    of_class |= {"positives": patients, "negatives": patients, "unknown": 0, "positive_groups": patients // 2}
    of_class |= {"calibration": {"ece": 0.11, "brier": 0.21, "slope": 1.1, "intercept": None}}
    reached = dict.fromkeys(("sensitivity", "specificity", "ppv", "npv"), interval)
    return {
        "macro": dict.fromkeys(("auroc", "auprc", "f1", "balanced_accuracy", "sensitivity", "specificity"), interval),
        "per_class": dict.fromkeys(classes, of_class),
        "decision_threshold": 0.5,
        "confusion": [[15, 1], [2, 14]],
        "operating": [
            {"class": label, "target": target, "value": 0.9, "threshold": threshold}
            | reached
            | {"prevalence": 0.05, "prevalence_stated": True}
            for label in classes[1:]
            for target, threshold in (("specificity", 0.5), ("sensitivity", 0.4))
        ],
    }
