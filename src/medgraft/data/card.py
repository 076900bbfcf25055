"""What the dataset card says of labels and splits; refuses a division on which nothing can be trained or judged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgraft.data.dataset import Item
from medgraft.data.labels import truths
from medgraft.data.scoring import scored_classes
from medgraft.errors import UserError
from medgraft.params import Dataset, Split

UNGROUPED = "No patient column: images of one patient may lie in both train and test, so every figure may be too good."
UNCOMPARED = "Near duplicates were not looked for: the same picture, re-encoded, may lie in both train and test."


def label_facts(items: Sequence[Item], settings: Dataset, split: Split) -> dict[str, Any]:
    """Counts of each split (`labels`: positives; `unknown` truths), the classes that are scored, warnings.

    Raises `UserError` when a class is missing from a split or none can be scored.
    """
    classes = settings.classes
    parts = {name: [i for i in items if i.split == name] for name in ("train", "validation", "test", "unlabelled")}
    table = {name: truths([i.label for i in part], len(classes)) for name, part in parts.items()}
    judged = ("test",) if split.only_test else ("validation", "test")
    scored, unscored = scored_classes(
        {name: [i.group_id for i in parts[name]] for name in judged},
        {name: table[name] for name in judged},
        classes,
        settings.task == "binary",
    )
    exclusive = settings.task != "multilabel"
    problems = [
        f"class '{label}' has no {sign}image in {name}"
        for name in (judged if split.only_test else ("train", *judged))
        for label in (classes if exclusive else scored)
        for sign, value in ((("", 1),) if exclusive else (("positive ", 1), ("negative ", 0)))
        if not (table[name][:, classes.index(label)] == value).any()
    ]
    if not scored:
        problems += [f"class '{label}' cannot be scored: {why}" for label, why in unscored.items()]
    if problems:
        raise UserError(
            "the splits are too small to train and choose on:\n"
            + "\n".join(f"  - {p}" for p in problems)
            + "\nadd patients, merge classes, or give split.validation and split.test larger shares"
        )
    absent = {
        label: [name for name in ("train", *judged) if parts[name] and not (table[name][:, place] == 1).any()]
        for place, label in enumerate(classes)
    }
    return {
        "scored": scored,
        "unscored": unscored,
        "warnings": [UNGROUPED] * settings.ungrouped
        + [UNCOMPARED] * (not settings.near_duplicates)
        + [
            f"Class '{label}' has no positive image in {' and '.join(where)}: how well it is found is not known."
            for label, where in absent.items()
            if where and not split.only_test
        ],
        "splits": {
            name: {
                "images": len(part),
                "groups": len({i.group_id for i in part}),
                "labels": _each(classes, table[name] == 1),
                "unknown": _each(classes, np.isnan(table[name])),
            }
            for name, part in parts.items()
            if part
        },
    }


def _each(classes: Sequence[str], of: NDArray[np.bool_]) -> dict[str, int]:
    return {name: int(count) for name, count in zip(classes, of.sum(axis=0), strict=True)}
