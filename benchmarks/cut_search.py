"""What the search of `truncated` costs beside fine-tuning at every cut, and what its choice loses on validation.

    OMP_NUM_THREADS=2 python -m benchmarks.cut_search resnet18 tf_efficientnet_lite0

About 600 training images of malaria cells at 64 px, 2 seeds, 10 epochs a fine-tuning. The search is the one that the
stage `transfer` runs: features at all cuts in one pass, probes, up to three finalists fine-tuned, the choice, the drift
figures; from empty stores. Brute force fine-tunes at every cut, and the whole, and chooses by the same rule. The search
runs before it and after it.

Of n cuts and the whole the search fine-tunes 3 of n + 1: ResNet-18 has 8 cuts (and the whole costs most), so that a
quarter is out of reach; EfficientNet-Lite0 has 17. There are no ImageNet weights of a ResNet here, so its are trained
in the script, on knee radiographs: what a study from another modality would start from, not what ImageNet would give.
Lite0's are of ImageNet.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.throughput import MOVED, ingested, initialized, machine, run_of, spread
from medgraft.evaluation.selection import CandidateScore, Selection, select
from medgraft.networks.assembly import assemble
from medgraft.networks.cuts import cuts
from medgraft.networks.initialization import Initialization
from medgraft.params import Evaluation, Split, Study
from medgraft.stages.searching import Found, RunOf, find, fit_finalist, score, validation_part
from medgraft.transfer import Run, Search, strategies
from medgraft.transfer.full import FullSettings
from medgraft.transfer.strategy import FineTuned
from medgraft.transfer.truncated import TruncatedSettings

SEEDS = (0, 1)
EVALUATION = Evaluation()
SPLIT = Split(validation=0.25, test=0.15)
PUBLISHED = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class Scale:
    """`images` of the set, 60 % of them for training; of the source set, None for all; `epochs` on either."""

    images: int
    source_images: int | None
    epochs: int


@dataclass(frozen=True)
class Searched:
    """What the search came to, seconds in all, and until the finalists were known."""

    found: Found
    seconds: float
    screening: float


def compare(architecture: str, scale: Scale) -> None:
    """Print what both cost and chose."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        dataset = ingested("malaria_cells", folder / "malaria", images=scale.images, split=SPLIT)
        source = initialized(folder, "source", _weights(architecture, folder, scale))
        first = search(_runs(dataset, source, folder / "first"), scale)
        start = time.perf_counter()
        selection = brute_force(_runs(dataset, source, folder / "brute"), source, scale)
        seconds = time.perf_counter() - start
        _print(architecture, [first, search(_runs(dataset, source, folder / "last"), scale)], selection, seconds)


def search(runs: RunOf, scale: Scale) -> Searched:
    """As the stage does it."""
    strategy = strategies.get("truncated")
    known: list[float] = []

    def screened(run: Run, settings: TruncatedSettings) -> Search:
        assert strategy.search is not None
        result = strategy.search(run, settings)
        known.append(time.perf_counter())
        return result

    settings = TruncatedSettings(strategy="truncated", initialization="source", epochs=scale.epochs)
    start = time.perf_counter()
    found = find(replace(strategy, search=screened), settings, runs, SEEDS, EVALUATION)
    return Searched(found, time.perf_counter() - start, known[0] - start)


def brute_force(runs: RunOf, source: Initialization, scale: Scale) -> Selection:
    """Every cut but one that is the whole network under another name, and the whole; chosen as the search chooses."""
    spec = source.origin.backbone
    backbone = assemble(spec)
    size = sum(p.numel() for p in backbone.parameters())
    common: dict[str, Any] = {"initialization": source.name, "epochs": scale.epochs}
    candidates: dict[str, FineTuned] = {
        place.name: TruncatedSettings(strategy="truncated", cut=place.name, **common)
        for place in cuts(backbone, spec.image_size)
        if place.parameters < size
    }
    candidates["full"] = FullSettings(strategy="full", **common)
    data = runs(1.0, SEEDS[0]).data
    validation = validation_part(data, EVALUATION)
    scores: list[CandidateScore] = []
    for name, settings in candidates.items():
        fits = {seed: fit_finalist(runs(1.0, seed, name), settings) for seed in SEEDS}
        scores.append(score(name, fits, validation, data.folder))
    return select(scores)


def _weights(architecture: str, folder: Path, scale: Scale) -> dict[str, Any]:
    common = {"architecture": architecture, "image_size": 64}
    if architecture == PUBLISHED:
        return {"method": "published", "weights": "package", **common}
    dataset = ingested("knee_kl_grade", folder / "knee", images=scale.source_images)
    study = Study(device="cpu").model_dump()
    return {"method": "supervised", "dataset": str(dataset), "epochs": scale.epochs, "study": study, **common}


def _runs(dataset: Path, source: Initialization, folder: Path) -> RunOf:
    study = Study(device="cpu", seeds=list(SEEDS), augmentation=MOVED)

    def run(fraction: float, seed: int, finalist: str = "") -> Run:
        return run_of(dataset, [source], study, fraction, seed, folder, f"{folder.name}-{finalist}")

    return run


def _print(architecture: str, searches: Sequence[Searched], selection: Selection, seconds: float) -> None:
    spent = [searched.seconds for searched in searches]
    found = searches[0].found
    assert found.search is not None
    chosen = found.search.record["chosen"]
    rows = {row.name: row for row in selection.rows}
    own, best = rows[chosen], selection.rows[0]
    ratios = [one / seconds for one in spent]
    screening = median(searched.screening for searched in searches)
    print(f"\n### {architecture}, {len(SEEDS)} seeds; {machine()}\n")
    print("| | seconds | to brute force | fine-tunings | chosen | validation AUROC | best − chosen ± SE |")
    print("|---|---|---|---|---|---|---|")
    every, few = (len(SEEDS) * len(names) for names in (rows, found.search.finalists))
    winner = rows[selection.winner]
    lost = f"{winner.difference:.4f} ± {winner.standard_error:.4f}"
    print(f"| brute force | {seconds:.0f} | 1 | {every} | {winner.name} | {winner.mean:.4f} | {lost} |")
    lost = f"{own.difference:.4f} ± {own.standard_error:.4f}"
    times = f"{spread(spent, '.0f')}, {screening:.0f} of it screening | {spread(ratios, '.2f')}"
    print(f"| search | {times} | {few} | {chosen} | {own.mean:.4f} | {lost} |")
    print(f"\nEvery cut, fine-tuned; the best is {best.name}. Finalists: {', '.join(found.search.finalists)}.\n")
    print("| | parameters | validation AUROC | best − it ± SE | probe's loss inside train |\n|---|---|---|---|---|")
    losses = {probe["name"]: probe["cross_validated_loss"] for probe in found.search.record["probes"]}
    losses["full"] = losses.pop("whole")
    for row in sorted(selection.rows, key=lambda row: row.parameters):
        loss = f"{losses[row.name]:.3f}" if row.name in losses else "not probed"
        less = f"{row.difference:.4f} ± {row.standard_error:.4f}"
        print(f"| {row.name} | {row.parameters:,} | {row.mean:.4f} | {less} | {loss} |")
    _print_agreement(found.search.record, {row.name: row.mean for row in selection.rows})


def _print_agreement(record: Mapping[str, Any], means: Mapping[str, float]) -> None:
    """The finalists' fine-tunings are those of brute force, so their scores have to be the same."""
    apart = [abs(row["mean"] - means[row["name"]]) for row in record.get("selection", {"rows": []})["rows"]]
    print(
        f"\nLargest difference between a finalist's score in the search and in brute force: {max(apart, default=0):.1e}"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=["resnet18", PUBLISHED])
    parser.add_argument("--quick", action="store_true", help="A look at whether it runs; its numbers mean nothing.")
    asked = parser.parse_args()
    scale = Scale(images=320, source_images=300, epochs=1) if asked.quick else Scale(1000, None, 10)
    for architecture in ["resnet10t"] if asked.quick else asked.architectures:
        print(f"{architecture} …", file=sys.stderr)
        compare(architecture, scale)


if __name__ == "__main__":
    main()
