"""cuts: where a backbone can be cut, as a table for a terminal."""

from typing import get_args

from medgraft.errors import UserError
from medgraft.networks.backbones import Volumes, create_backbone
from medgraft.networks.cuts import cuts


def run(architecture: str, image_size: int, volumes: str | None) -> list[str]:
    """One line a cut, lowest first; raises `UserError` for an unknown architecture, or one that cannot be cut."""
    known: dict[str, Volumes] = {name: name for name in get_args(Volumes)}
    if volumes is not None and volumes not in known:
        raise UserError(f"--volumes {volumes}: there is {', '.join(known)}")
    backbone = create_backbone(architecture, image_size, volumes=known[volumes] if volumes else None)
    head = f"{'cut':<32} {'block':>5} {'channels':>8} {'reduction':>9} {'parameters':>12} {'MACs':>15}"
    return (
        [head]
        + [
            f"{place.name:<32} {str(place.block) + ('*' if place.ends_block else ' '):>5} {place.channels:>8} "
            f"{place.reduction:>9} {place.parameters:>12,} {place.macs:>15,}"
            for place in cuts(backbone, image_size)
        ]
        + ["* the last of its block"]
    )
