"""What a linear-evaluation study costs with the feature store, and whether it scores as gradient-trained heads do.

    OMP_NUM_THREADS=1 python -m benchmarks.linear_evaluation

Malaria cells at 64 px; 3 initializations × 3 label fractions × 5 seeds = 45 runs, in three ways:

- `linear`: the strategy, from an empty feature store: L2 logistic regression, the strength cross-validated in train.
- cached: features of every image once an initialization, then for each run a linear head by gradient steps on them,
  stopped early by validation, as eva's offline protocol does (kaiko-ai/eva, configs/vision/pathology/offline).
- frozen loop: for each run, every image of every epoch through the frozen backbone, as a training script does that is
  told to freeze it; mirrored at random. One seed is measured a repeat (another one each time) and multiplied.

All three decode and resize an image once an initialization, so the loop is spared what a script does every epoch. Both
heads by gradient stand on standardised features (as in He et al., arXiv 2111.06377, appendix A.1) and keep their best
epoch on validation, which flatters their validation scores; `linear` does not see validation. Test is looked at once,
at the end, off the clock.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.throughput import ingested, initialized, interleaved, machine, run_of, spread
from medgraft.data.dataset import read_images, read_sealed
from medgraft.data.stored import decode_stored
from medgraft.networks.backbones import load_backbone
from medgraft.networks.initialization import Initialization
from medgraft.networks.network import EIGHT_BITS, make_preprocess
from medgraft.params import Study
from medgraft.seeds import derive
from medgraft.training.features import open_features
from medgraft.transfer import Run
from medgraft.transfer.linear import LinearSettings, fit

Key = tuple[str, float, int]  # initialization, fraction, seed
Heads = dict[Key, nn.Module]
Took = tuple[float, float]  # seconds: once an initialization (decoding, and the pass where there is one); of all runs
Look = Callable[[Tensor, bool], Tensor]  # rows, and whether in training → features
LITE0 = {"architecture": "tf_efficientnet_lite0", "image_size": 64}
INITIALIZATIONS: dict[str, dict[str, Any]] = {
    "random_lite0": {"method": "random", **LITE0},
    "imagenet_lite0": {"method": "published", "weights": "package", **LITE0},
    "random_mobilenet": {"method": "random", "architecture": "mobilenetv3_small_100", "image_size": 64},
}
BATCH, RATE, DECAY = 64, 1e-3, 0.01
LOOP_EPOCHS, CACHED_EPOCHS, PATIENCE = 30, 100, 10


@dataclass(frozen=True)
class Scale:
    """How large the study is; `images`: of the set, None for all."""

    images: int | None
    names: Sequence[str]
    fractions: Sequence[float]
    seeds: Sequence[int]
    loop_epochs: int
    cached_epochs: int


FULL = Scale(None, list(INITIALIZATIONS), (0.1, 0.25, 1.0), range(5), LOOP_EPOCHS, CACHED_EPOCHS)
QUICK = Scale(400, ["imagenet_lite0", "random_mobilenet"], (0.5, 1.0), range(2), 2, 10)


def by_store(runs: Mapping[Key, Run], folder: Path) -> tuple[Took, Heads]:
    """`linear` from an empty store in `folder`."""
    fresh = {key: replace(run, compute=replace(run.compute, cache=folder / "pixels")) for key, run in runs.items()}
    start = time.perf_counter()
    for run in one_each(fresh).values():
        open_features(source_of(run), run.data.folder, run.window, run.compute)
    passed = time.perf_counter()
    heads: Heads = {
        key: fit(run, LinearSettings(strategy="linear", initialization=key[0])).network.head
        for key, run in fresh.items()
    }
    return (passed - start, time.perf_counter() - passed), heads


def by_cache(runs: Mapping[Key, Run], scale: Scale) -> tuple[Took, Heads]:
    """A pass an initialization, then a head by gradient steps for each run."""
    start = time.perf_counter()
    rows, looks = {}, {}
    for name, run in one_each(runs).items():
        rows[name], images = decoded(run, ("train", "validation"))
        looks[name] = partial(kept, features_of(backbone_of(run), images))
    passed = time.perf_counter()
    heads: Heads = {
        key: descend(run, rows[key[0]], looks[key[0]], scale.cached_epochs, PATIENCE) for key, run in runs.items()
    }
    return (passed - start, time.perf_counter() - passed), heads


def by_loop(runs: Mapping[Key, Run], scale: Scale) -> tuple[Took, Heads]:
    """Every image of every epoch through the frozen backbone."""
    start = time.perf_counter()
    rows, images = {}, {}
    for name, run in one_each(runs).items():
        rows[name], images[name] = decoded(run, ("train", "validation"))
    passed = time.perf_counter()
    heads: Heads = {}
    for key, run in runs.items():
        mirrors = torch.Generator().manual_seed(derive("mirrors", run.seed))
        look = partial(looked, backbone_of(run), images[key[0]], mirrors)
        heads[key] = descend(run, rows[key[0]], look, scale.loop_epochs, scale.loop_epochs)
    return (passed - start, time.perf_counter() - passed), heads


def kept(features: Tensor, places: Tensor, _: bool) -> Tensor:
    """The features of the cache."""
    return features[places]


def looked(backbone: nn.Module, images: Tensor, mirrors: torch.Generator, places: Tensor, training: bool) -> Tensor:
    """Features of images at these places; half of them mirrored in training."""
    seen = images[places]
    if training:
        mirrored = torch.rand(len(places), generator=mirrors) < 0.5
        seen = torch.where(mirrored.view(-1, 1, 1, 1), seen.flip(3), seen)
    return features_of(backbone, seen)


def descend(run: Run, rows: Mapping[str, int], look: Look, epochs: int, patience: int) -> nn.Module:
    """A linear head by AdamW and a cosine, on what `look` shows.

    The state of the epoch with the lowest validation loss; over after `patience` epochs without a lower one.
    """
    train, validation = (torch.tensor([rows[i] for i in part["image_id"]]) for part in (run.rows, run.data.validation))
    labels, truths = (torch.from_numpy(run.data.labels(part)) for part in (run.rows, run.data.validation))
    generator = torch.Generator().manual_seed(derive("descend", run.seed))
    width = look(train[:1], False).shape[1]
    # The features of random weights may be tiny: the usual eps of 1e-5 would leave them so.
    last = nn.Linear(width, len(run.classes))
    nn.init.trunc_normal_(last.weight, std=0.01, generator=generator)
    nn.init.zeros_(last.bias)
    head = nn.Sequential(nn.BatchNorm1d(width, eps=1e-12, affine=False), last)
    batch = min(BATCH, len(train))
    optimizer = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(train) // batch))
    lowest, best, since = float("inf"), deepcopy(head), 0
    for _ in range(epochs):
        head.train()
        order = torch.randperm(len(train), generator=generator)
        for places in torch.split(order[: len(train) // batch * batch], batch):
            loss = functional.cross_entropy(head(look(train[places], True)), labels[places])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            found = float(functional.cross_entropy(head.eval()(look(validation, False)), truths))
        since += 1
        if found < lowest:
            lowest, best, since = found, deepcopy(head), 0
        if since >= patience:
            break
    return best.eval()


def decoded(run: Run, splits: Sequence[str]) -> tuple[dict[str, int], Tensor]:
    """The row of each image id, and float32 [n, 3, S, S]: what the backbone takes."""
    preprocess = make_preprocess(source_of(run).origin.backbone, EIGHT_BITS)
    ids, images = [], []
    for image_id, raw in read_images(run.data.folder, splits):
        ids.append(image_id)
        images.append(preprocess(decode_stored(raw, 2)))
    return {image_id: row for row, image_id in enumerate(ids)}, torch.cat(images)


def one_each(runs: Mapping[Key, Run]) -> dict[str, Run]:
    """A run of each initialization."""
    return {name: run for (name, *_), run in runs.items()}


def source_of(run: Run) -> Initialization:
    """What it starts from."""
    (source,) = run.initializations.values()
    return source


def backbone_of(run: Run) -> nn.Module:
    """The frozen backbone."""
    spec = source_of(run).origin.backbone
    return load_backbone(spec.architecture, spec.image_size, source_of(run).weights).eval()


@torch.no_grad()
def features_of(backbone: nn.Module, images: Tensor) -> Tensor:
    """[n, 3, S, S] → [n, features], in batches."""
    return torch.cat([backbone(batch) for batch in torch.split(images, BATCH)])


def scores(heads: Heads, runs: Mapping[Key, Run], sealed: Path) -> dict[Key, tuple[float, float]]:
    """AUROC on validation and on test of every head."""
    tests = read_sealed(sealed)
    known = {}
    for name, run in one_each(runs).items():
        rows, images = decoded(run, ("validation", "test"))
        known[name] = rows, features_of(backbone_of(run), images)
    found = {}
    for key, head in heads.items():
        data = runs[key].data
        rows, features = known[key[0]]
        held_out = dict(zip(data.validation["image_id"], data.labels(data.validation), strict=True))
        found[key] = _auroc(head, features, rows, held_out), _auroc(head, features, rows, tests)
    return found


@torch.no_grad()
def _auroc(head: nn.Module, features: Tensor, rows: Mapping[str, int], labels: Mapping[str, Any]) -> float:
    logits: NDArray[np.float64] = head(features[[rows[i] for i in labels]]).double().numpy()
    return float(roc_auc_score(list(labels.values()), logits[:, 1] - logits[:, 0]))


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="A look at whether it runs; its numbers mean nothing.")
    asked = parser.parse_args()
    scale, repeats = (QUICK, 1) if asked.quick else (FULL, asked.repeats)
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        dataset = ingested("malaria_cells", folder / "malaria", images=scale.images)
        sources = [initialized(folder, name, INITIALIZATIONS[name]) for name in scale.names]
        study = Study(device="cpu", fractions=list(scale.fractions), seeds=list(scale.seeds))
        runs = {
            (source.name, fraction, seed): run_of(dataset, [source], study, fraction, seed, folder, source.name)
            for source, fraction, seed in product(sources, scale.fractions, scale.seeds)
        }
        took: dict[str, list[Took]] = {"linear": [], "cached": [], "frozen loop": []}
        heads: dict[str, Heads] = {name: {} for name in took}
        for turn, name in interleaved(list(took), repeats):
            if name == "linear":
                spent, made = by_store(runs, folder / f"turn-{turn}")
            elif name == "cached":
                spent, made = by_cache(runs, scale)
            else:
                seed = scale.seeds[turn % len(scale.seeds)]
                spent, made = by_loop({key: run for key, run in runs.items() if key[2] == seed}, scale)
                spent = spent[0], spent[1] * len(scale.seeds)
            took[name].append(spent)
            heads[name] |= made
        _print_times(took, len(runs), repeats)
        _print_scores({name: scores(made, runs, dataset.with_name("sealed")) for name, made in heads.items()}, scale)


def _print_times(took: Mapping[str, Sequence[Took]], runs: int, repeats: int) -> None:
    print(f"\n### {runs} runs, repeats: {repeats}; {machine()}\n")
    print("| | seconds, median (range) | once an initialization | all runs | to `linear` |\n|---|---|---|---|---|")
    own = median(map(sum, took["linear"]))
    for name, each in took.items():
        total = [sum(one) for one in each]
        once, rest = (median(part) for part in zip(*each, strict=True))
        print(f"| {name} | {spread(total, '.1f')} | {once:.1f} | {rest:.1f} | {median(total) / own:.1f} × |")


def _print_scores(found: Mapping[str, Mapping[Key, tuple[float, float]]], scale: Scale) -> None:
    """Means over seeds and their SD; beside them the differences, seed by seed, on the seeds that both have."""
    others = [name for name in found if name != "linear"]
    for place, split in enumerate(("validation", "test")):
        print(f"\nAUROC on {split}, mean ± SD over seeds\n")
        columns = [*found, *(f"`linear` − {name}" for name in others)]
        print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for name, fraction in product(scale.names, scale.fractions):
            by_seed = {
                way: {seed: scored[key][place] for seed in scale.seeds if (key := (name, fraction, seed)) in scored}
                for way, scored in found.items()
            }
            means = [_mean(list(values.values())) for values in by_seed.values()]
            own = by_seed["linear"]
            gains = [_mean([own[seed] - value for seed, value in by_seed[way].items()], "+") for way in others]
            print(f"| {name}, {fraction:.0%} | {' | '.join([*means, *gains])} |")


def _mean(values: Sequence[float], sign: str = "") -> str:
    return f"{fmean(values):{sign}.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
