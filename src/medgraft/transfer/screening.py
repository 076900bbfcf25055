"""Which cuts are worth fine-tuning: a probe on the features at each, ranked by cross-validation inside train.

In two stages, as the paper searches (arXiv 2106.05152, section 3): the ends of all blocks, then the units inside the
best block. Its own probes (FAT, a linear head on the frozen network) found the same best block as its full search. The
whole network is the end of the last block, and the last cut is left out where it is the same under another name.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medgraft.networks.assembly import assemble, distinct_places
from medgraft.networks.backbones import enliven
from medgraft.networks.cuts import WHOLE, Cut
from medgraft.networks.network import Network
from medgraft.seeds import derive
from medgraft.training.features import passed
from medgraft.training.losses import losses
from medgraft.training.probe import Fit, ratio
from medgraft.training.similarity import linear_cka
from medgraft.transfer.probing import probe, probe_facts
from medgraft.transfer.run import Run

MOST = 1000  # images that CKA is told by: it compares all pairs of them


@dataclass(frozen=True)
class Screened:
    """A probed place, `stage` 1 (end of a block, or the whole) or 2 (inside the best block).

    `excess`: its cross-validated loss less the lowest one, and `excess_se` the standard error of that difference, over
    patients. `by_patient`: see `_losses_by_patient`.
    """

    place: Cut
    stage: int
    fit: Fit
    excess: float
    excess_se: float
    by_patient: NDArray[np.float64]

    def facts(self) -> dict[str, Any]:
        """For the artifact."""
        found = asdict(self.place) | {"stage": self.stage} | probe_facts(self.fit)
        return found | {"excess": self.excess, "excess_se": self.excess_se}


def screen(run: Run, name: str) -> list[Screened]:
    """Every place that was probed, lowest first, the whole network last."""
    places, whole = distinct_places(run.backbone(name))
    ends = [place for place in places if place.ends_block]
    train, _ = run.features(name, [*(place.name for place in places), WHOLE])

    def probed(wanted: Sequence[Cut]) -> dict[Cut, Fit]:
        return {
            place: probe(run, train, train.features[place.name], f"initialization {name} at {place.name}")
            for place in wanted
        }

    fits = probed([*ends, whole])
    within = [place for place in places if not place.ends_block]
    liked = sorted(fits, key=lambda place: fits[place].loss)
    if liked[0] is whole and whole.block not in {place.block for place in within}:
        liked = liked[1:]  # nothing can be cut in the last block
    inside = probed([place for place in within if place.block == liked[0].block])
    tried = fits | inside
    best = min(tried, key=lambda place: tried[place].loss)
    each = {place: _losses_by_patient(fit, train.labels, train.groups) for place, fit in tried.items()}
    found = []
    for place in sorted(tried, key=lambda place: (place.parameters, place.macs, place is whole)):
        excess, error = _difference(each[place], each[best])
        found.append(Screened(place, 2 if place in inside else 1, tried[place], excess, error, each[place]))
    return found


def chosen(screened: Sequence[Screened]) -> list[str]:
    """Two cuts for the final: the one that train likes best, and the smallest within one standard error of it.

    Where that is the same one, the next best. Fewer where there are no two.
    """
    cut = sorted((s for s in screened if s.place.name != WHOLE), key=lambda s: (s.fit.loss, s.place.parameters))
    if len(cut) < 2:
        return [s.place.name for s in cut]
    differences = [_difference(s.by_patient, cut[0].by_patient) for s in cut]
    near = [s for s, (excess, error) in zip(cut, differences, strict=True) if excess <= error]
    smallest = min(near, key=lambda s: (s.place.parameters, s.place.macs))
    return [cut[0].place.name, (smallest if smallest is not cut[0] else cut[1]).place.name]


def drift(run: Run, name: str, tuned: Network) -> dict[str, Any]:
    """How much fine-tuning the whole network changed each depth: CKA of its features with those before, on validation.

    Beside it that of a network with random weights: what is no closer than that has kept nothing. No label is read. 1:
    the same up to rotation and scale. The paper asks this with SVCCA; CKA tells it better with few images
    (Kornblith et al., arXiv 1905.00414, section 6).
    """
    spec = run.backbone(name)
    names = [place.name for place in distinct_places(spec)[0]]
    rows = run.data.validation.head(MOST)  # by image id, a hash: as good as drawn
    before = run.store_of(name, [*names, WHOLE]).examples(run.data, rows)
    random = enliven(assemble(spec, derive("drift", run.seed)))
    after, baseline = (
        passed(backbone, spec, run.data, rows, run.window, run.compute, [*names, WHOLE])
        for backbone in (deepcopy(tuned.backbones[0]), random)
    )
    return {
        "drift": [
            {
                "name": place,
                "kept": _known(linear_cka(before.features[place], after[place])),
                "random": _known(linear_cka(before.features[place], baseline[place])),
            }
            for place in [*names, WHOLE]
        ]
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _losses_by_patient(
    fit: Fit, labels: NDArray[np.int64] | NDArray[np.float32], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Sum and count of the out-of-fold losses of every patient: float64 [patients, 2], sorted by patient."""
    sums, counts = losses(torch.from_numpy(fit.logits), torch.from_numpy(labels))
    names, index = np.unique(np.array(groups), return_inverse=True)
    table = np.zeros((len(names), 2))
    np.add.at(table, index, np.stack([sums.numpy(), counts.numpy()], axis=1))
    return table


def _difference(one: NDArray[np.float64], best: NDArray[np.float64]) -> tuple[float, float]:
    """Mean loss less the best's, and its standard error over patients."""
    return ratio(one[:, 0] - best[:, 0], best[:, 1])
