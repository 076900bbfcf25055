"""What the fits of a candidate tell besides their predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]


def edge_cautions(fits: Sequence[Facts]) -> list[str]:
    """A sentence a probe whose regularisation was, in any run, the first or last of the strengths that were tried.

    `fits`: those of the candidate's card. The probe of a run is the whole of it, its beginning, or one a member.
    """
    at_edge: dict[str, list[float]] = {}
    for fit in fits:
        for whose, probe in _probes(fit).items():
            if probe["strength_at_edge"]:
                at_edge.setdefault(whose, []).append(probe["strength"])
    return [
        f"The regularisation of {whose} ended at the edge of the grid (C = {_listed(strengths)}) in {len(strengths)} "
        f"of {len(fits)} runs: a better one may lie beyond."
        for whose, strengths in at_edge.items()
    ]


def fusion(fit: Facts) -> dict[str, Any] | None:
    """Of a run that joins initializations by attention: shares (they add to 1) and validation losses (nats), by name.

    `validation_loss_without` is None where there are only two. None for every other run.
    """
    if "attention" not in fit:
        return None
    return {
        "attention": fit["attention"],
        "validation_loss": fit["validation_loss"],
        "validation_loss_without": fit.get("validation_loss_without"),
    }


def _probes(fit: Facts) -> dict[str, Facts]:
    """The probes of a run, as strategies write them down, by what they are called in a sentence."""
    if "strength" in fit:
        return {"the probe": fit}
    if "probe" in fit:
        return {"the probe": fit["probe"]}
    return {f"the probe of {name}": member for name, member in fit.get("members", {}).items()}


def _listed(strengths: Sequence[float]) -> str:
    return " and ".join(f"{strength:g}" for strength in sorted(set(strengths)))
