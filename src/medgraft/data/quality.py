"""The quality report: what came in, what was kept, what was thrown out and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from medgraft.data.dataset import Item
from medgraft.data.duplicates import Conflict
from medgraft.data.examination import Examined
from medgraft.data.labels import Label, combined
from medgraft.data.near_duplicates import Found, Pair

SEALED = "a test image"  # its place in the source may tell its label
LISTED = 200  # pairs of each list that have thumbnails


def quality_report(
    *,
    rows: int,
    kept: Sequence[Examined],
    quarantined: Sequence[tuple[str, str]],
    duplicates: Sequence[tuple[str, str]],
    merged_groups: int,
    group_sizes: Iterable[int],
) -> dict[str, Any]:
    """JSON-ready facts; `quarantined` holds (reference, reason), `duplicates` (reference, its original)."""
    return {
        "rows": rows,
        "kept": len(kept),
        "quarantined": [{"source_uri": where, "reason": why} for where, why in quarantined],
        "duplicates": [{"source_uri": where, "of": original} for where, original in duplicates],
        "merged_groups": merged_groups,
        "reasons": {reason: len(where) for reason, where in by_reason(quarantined).items()},
        "images": {
            "width": _spread([e.shape[1] for e in kept]),
            "height": _spread([e.shape[0] for e in kept]),
            "modes": dict(sorted(Counter(e.mode for e in kept).items())),
        },
        "transformations": dict(sorted(Counter(c for e in kept for c in e.changes).items())),
        "group_sizes": _spread(list(group_sizes)),
    }


def by_reason(quarantined: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """(reference, reason) pairs by what their reasons have in common; the references carry what they have not."""
    found: dict[str, list[str]] = {}
    for where, why in quarantined:
        reason, bracket, detail = why.partition(" (")
        found.setdefault(reason, []).append(where + bracket + detail)
    return dict(sorted(found.items()))


def look_alikes(
    found: Found, items: Sequence[Item], before: Sequence[str], conflicts: Sequence[Conflict]
) -> dict[str, Any]:
    """Pictures that are, or look, the same under other pixels, and copies whose labels contradict each other.

    `items` are the rows that `found` speaks of, `before` their groups before any were joined. A pair of which one is a
    test image and the other is not does not say whether the labels differ: that would tell a sealed label.
    """
    return {
        "near_duplicates": [_pair(pair, items, before, merged=True) for pair in found.verified],
        "suspects": [_pair(pair, items, before, merged=False) for pair in found.suspects],
        "suspect_count": found.suspect_count,
        "bounded": found.bounded,
        "conflicts": [
            {
                "source_uri": list(same.references),
                "why": "the same pixels carry different labels",
                "image_ids": [same.image_id],
            }
            for same in conflicts
        ],
    }


def shown(listed: dict[str, Any]) -> list[str]:
    """Image ids of those lists that a reader wants to see, each once."""
    lists = (listed["conflicts"], listed["near_duplicates"], listed["suspects"])
    return list(dict.fromkeys(i for entries in lists for entry in entries[:LISTED] for i in entry["image_ids"]))


def _pair(pair: Pair, items: Sequence[Item], before: Sequence[str], *, merged: bool) -> dict[str, Any]:
    a, b = items[pair.a], items[pair.b]
    same_group = before[pair.a] == before[pair.b]
    return {
        "source_uri": _place(b),
        "of": _place(a),
        "image_ids": [a.image_id, b.image_id],
        "distance": pair.distance,
        "correlation": round(pair.correlation, 4),
        "inside": None if pair.inside is None else round(pair.inside, 4),
        "same_group": same_group,
        "merged": merged and not same_group,
        "labels_differ": None if (a.split == "test") != (b.split == "test") else _differ(a.label, b.label),
    }


def _place(item: Item) -> str:
    return SEALED if item.split == "test" else item.source_uri


def _differ(a: Label | None, b: Label | None) -> bool:
    try:
        combined([a, b])
    except ValueError:
        return True
    return False


def _spread(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    return {"min": min(values), "median": float(median(values)), "max": max(values)}
