"""How fast `full` trains beside a bare PyTorch loop, and what the benchmarks of training share.

    OMP_NUM_THREADS=2 python -m benchmarks.throughput tf_efficientnet_lite0 mobilenetv3_small_100

The bare loop: the same network, images (float32, in memory), batches, loss, AdamW, schedule and validation passes; no
checkpoints, best states or records. Both begin at the same bits, so equal losses after the last step show the same
work. Interleaved, in turns that begin with another one each time.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from benchmarks.ingestion import ingest_set, recipe_of
from medgraft.artifacts import write_card, write_json
from medgraft.data.augmentation import augment
from medgraft.networks.initialization import Initialization, read_initialization
from medgraft.networks.network import Network
from medgraft.networks.preprocess import Preprocess
from medgraft.params import Augmentation, Dataset, Split, Study
from medgraft.seeds import derive
from medgraft.stages import pretrain
from medgraft.store import Store
from medgraft.training.data import training_data
from medgraft.training.fitting import Compute, fit
from medgraft.training.losses import class_weights, prior_shift, starting_logits, total_loss, training_loss
from medgraft.training.stream import VALIDATION_BATCH, ChunkSampler, Images
from medgraft.training.window import window
from medgraft.transfer import Run
from medgraft.transfer.full import FullSettings

IMAGE_SIZE, BATCH = 64, 32
VALIDATION = 32  # images: as little as can be, since a pass both make alike would only bring the two nearer each other
STILL = Augmentation(rotation=0, scale=0, translate=0, brightness=0, contrast=0)
MOVED = Augmentation(flips="both", rotation=90)
WAYS = {
    "`full`, augmentation off": (True, STILL),
    "bare loop, no augmentation": (False, None),
    "`full`, augmentation on": (True, MOVED),
    "bare loop, same augmentation": (False, MOVED),
}


def ingested(recipe: str, folder: Path, *, images: int | None = None, split: Split | None = None) -> Path:
    """The dataset artifact of a recipe, its sealed labels beside it; of so many `images` where that is given."""
    dataset, own = recipe_of(recipe)
    if images is not None:
        dataset = _part(dataset, images, folder / "source")
    ingest_set(dataset, split or own, folder)
    return folder / "dataset"


def initialized(folder: Path, name: str, settings: Mapping[str, Any]) -> Initialization:
    """What `medgraft pretrain` makes of these settings."""
    write_json(folder / f"plan/initializations/{name}.json", {"settings": settings})
    write_card(folder / "plan", "plan", "0" * 32, {})
    with contextlib.redirect_stdout(sys.stderr):
        pretrain.run(folder / "plan", name, folder / name, Store(str(folder / "store")))
    return read_initialization(folder / name)


def run_of(
    dataset: Path, sources: Sequence[Initialization], study: Study, fraction: float, seed: int, folder: Path, title: str
) -> Run:
    """A run as the stage `transfer` makes it, whose stores lie in `folder`."""
    data = training_data(dataset)
    return Run(
        {source.name: source for source in sources},
        data,
        data.fraction(fraction, seed),
        window(dataset),
        study,
        seed,
        title,
        Store(str(folder / "store")),
        f"{title}-{fraction}-{seed}",
        Compute("cpu", cache=folder / "pixels", say=lambda line: print(line, file=sys.stderr)),
    )


def spread(values: Sequence[float], form: str) -> str:
    """Median (range)."""
    return f"{median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def interleaved(names: Sequence[str], repeats: int) -> Iterator[tuple[int, str]]:
    """Turns and names, each turn beginning with another one."""
    for turn in range(repeats):
        start = turn % len(names)
        yield from ((turn, name) for name in [*names[start:], *names[:start]])


def machine() -> str:
    """What ran how widely."""
    return f"{torch.get_num_threads()} threads on {os.cpu_count()} cores, torch {torch.__version__}"


def measure(architecture: str, repeats: int, steps: int, images: int | None) -> None:
    """Print the images a second of all ways."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        dataset = ingested("malaria_cells", folder / "malaria", images=images)
        settings = {"method": "random", "architecture": architecture, "image_size": IMAGE_SIZE}
        source = initialized(folder, "source", settings)
        rates: dict[str, list[float]] = {name: [] for name in WAYS}
        losses: dict[str, float] = {}
        for turn, name in interleaved(list(WAYS), repeats + 1):
            fitted, augmentation = WAYS[name]
            study = Study(device="cpu", batch_size=BATCH, max_images=steps * BATCH, augmentation=augmentation or STILL)
            run = run_of(dataset, [source], study, 1.0, 0, folder / f"{turn}-{name}", architecture)
            seconds, losses[name] = (_fitted if fitted else _bare)(run, augmentation is not None)
            shutil.rmtree(folder / f"{turn}-{name}")
            if turn:  # the first turn warms caches and imports what is imported late
                rates[name].append(steps * BATCH / seconds)
    print(f"\n### {architecture}: {steps} steps of {BATCH} at {IMAGE_SIZE} px, repeats: {repeats}; {machine()}\n")
    print("| | images/s, median (range) | to the bare loop, turn by turn | last validation loss |\n|---|---|---|---|")
    names = list(WAYS)
    for ours, bare in zip(names[::2], names[1::2], strict=True):
        ratios = [one / other for one, other in zip(rates[ours], rates[bare], strict=True)]
        print(f"| {ours} | {spread(rates[ours], '.0f')} | {spread(ratios, '.3f')} | {losses[ours]:.6f} |")
        print(f"| {bare} | {spread(rates[bare], '.0f')} | 1 | {losses[bare]:.6f} |")


def _prepared(run: Run) -> tuple[Network, FullSettings, Images, Images]:
    """What both start from; the pixel store is made here, before the clock starts."""
    train, validation = run.images(IMAGE_SIZE)
    few = Images(validation.pixels, validation.rows[:VALIDATION], validation.labels[:VALIDATION])
    settings = FullSettings(strategy="full", initialization="source", epochs=10_000)  # max_images ends it
    return run.network([settings.initialization], "linear"), settings, train, few


def _fitted(run: Run, _: bool) -> tuple[float, float]:
    """Seconds, and the validation loss after the last step, of what `full` calls."""
    network, settings, train, validation = _prepared(run)
    start = time.perf_counter()
    fitted = fit(
        network,
        run.recipe(settings),
        train,
        validation,
        title=run.title,
        store=run.store,
        key=run.key,
        compute=replace(run.compute, say=lambda line: None),
    )
    return time.perf_counter() - start, fitted.history[-1]["validation_loss"]


def _bare(run: Run, augmented: bool) -> tuple[float, float]:
    """The same of the bare loop."""
    # Lightning leaves it on; memory would be filled before it is used.
    torch.use_deterministic_algorithms(False)
    network, settings, train, validation = _prepared(run)
    recipe = run.recipe(settings)
    weights = class_weights(train.labels, len(run.classes), recipe.imbalance)
    network.start_at(starting_logits(train.labels, len(run.classes), weights))
    given, labels = _in_memory(train)
    held_out = _in_memory(validation)
    batches = [torch.tensor(places) for _, places in ChunkSampler(len(given), BATCH, recipe.seed, 0, recipe.steps)]
    preprocess = network.preprocesses[0]
    assert isinstance(preprocess, Preprocess)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.rate)
    loss = float("nan")
    start = time.perf_counter()
    network.train()
    for step, places in enumerate(batches):
        images = given[places]
        if augmented:
            images = augment(images, recipe.augmentation, derive("view", recipe.seed, step))
        optimizer.zero_grad()
        torch.autograd.backward(training_loss(network(preprocess.normalise(images)), labels[places], weights))
        optimizer.step()
        schedule.step()
        if (step + 1) % recipe.chunk_steps == 0 or step + 1 == recipe.steps:
            loss = _validated(network, preprocess, held_out, weights)
            network.train()
    return time.perf_counter() - start, loss


@torch.no_grad()
def _validated(network: Network, preprocess: Preprocess, held_out: tuple[Tensor, Tensor], weights: Tensor) -> float:
    network.eval()
    total = 0.0
    for images, labels in zip(*(torch.split(part, VALIDATION_BATCH) for part in held_out), strict=True):
        total += float(total_loss(network(preprocess.normalise(images)) - prior_shift(weights), labels)[0])
    return total / len(held_out[1])


def _in_memory(images: Images) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.ascontiguousarray(images.pixels[images.rows])).float(), torch.from_numpy(images.labels)


def _part(dataset: Dataset, images: int, folder: Path) -> Dataset:
    """So many images of a set, of as many patients as there come with them."""
    source, reader = Path(dataset.source), dataset.reader
    table = pl.read_csv(source / reader["table"], infer_schema=False)
    rows = sorted(table.iter_rows(named=True), key=lambda row: derive("part", row["image_id"]))[:images]
    for row in rows:
        file = reader["path"].format(**row)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, folder / file)
    pl.DataFrame(rows).write_csv(folder / reader["table"])
    return dataset.model_copy(update={"source": str(folder)})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=["tf_efficientnet_lite0", "mobilenetv3_small_100"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="A look at whether it runs; its numbers mean nothing.")
    asked = parser.parse_args()
    for architecture in ["mobilenetv3_small_100"] if asked.quick else asked.architectures:
        if asked.quick:
            measure(architecture, repeats=1, steps=20, images=300)
        else:
            measure(architecture, asked.repeats, steps=200, images=None)


if __name__ == "__main__":
    main()
