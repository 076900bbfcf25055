"""The quality report: what came in, what was kept, what was thrown out and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from medgraft.data.examination import Examined


def quality_report(
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
        "reasons": dict(sorted(Counter(why.split(" (")[0] for _, why in quarantined).items())),
        "images": {
            "width": _spread([e.shape[1] for e in kept]),
            "height": _spread([e.shape[0] for e in kept]),
            "modes": dict(sorted(Counter(e.mode for e in kept).items())),
        },
        "transformations": dict(sorted(Counter(c for e in kept for c in e.changes).items())),
        "group_sizes": _spread(list(group_sizes)),
    }


def _spread(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    return {"min": min(values), "median": float(median(values)), "max": max(values)}
