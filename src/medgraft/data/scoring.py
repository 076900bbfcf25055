"""Which classes figures may be computed for: fixed when the data is split, from counts of patients alone."""

from collections.abc import Mapping, Sequence

MIN_GROUPS = 10

GroupsByClass = Mapping[str, Sequence[set[str]]]


def scored_classes(groups: GroupsByClass, classes: Sequence[str], binary: bool) -> tuple[list[str], dict[str, str]]:
    """Classes with at least 10 positive and 10 negative groups in validation and in test, and why others lack them.

    `groups[split][c]` holds the groups with an image of class c in that split. A binary task is scored by its
    positive (second) class alone.
    """
    scored, unscored = [], {}
    for index, name in enumerate(classes):
        if binary and index == 0:
            continue
        short = [
            f"{count} {sign} patients in {split}"
            for split in ("validation", "test")
            for sign, count in _counts(groups[split], index).items()
            if count < MIN_GROUPS
        ]
        if short:
            unscored[name] = f"{', '.join(short)} (fewer than {MIN_GROUPS})"
        else:
            scored.append(name)
    return scored, unscored


def _counts(by_class: Sequence[set[str]], index: int) -> dict[str, int]:
    negative: set[str] = set().union(*(members for i, members in enumerate(by_class) if i != index))
    return {"positive": len(by_class[index]), "negative": len(negative)}
