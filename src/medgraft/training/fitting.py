"""The one place that runs the training framework: a network, a recipe, images → the fitted network.

Lightning's epoch is a *chunk* of steps here; the loader is rebuilt for every chunk from the step it starts at,
so a run that was killed goes on from its last chunk and ends, on a CPU, with the same bits.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from medgraft.artifacts import read_json, write_json
from medgraft.networks.network import Network, load_network, save_network
from medgraft.store import Store
from medgraft.training.callbacks import Progress, SaveChunk
from medgraft.training.checkpoints import Checkpoints
from medgraft.training.losses import class_weights, starting_logits
from medgraft.training.module import Classifier
from medgraft.training.recipe import Recipe
from medgraft.training.stream import Batch, ChunkSampler, Images, training_loader

VALIDATION_BATCH = 128


@dataclass(frozen=True)
class Compute:
    """Where a run computes and keeps its training store; nothing here is part of a fingerprint."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 0
    cache: Path = Path(".medgraft/pixels")
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Fitted:
    """A finished run: the network in its best state, the step that was, its validation loss, and the history."""

    network: Network
    steps: int
    best_step: int
    validation_loss: float
    history: list[dict[str, float]]


def fit(
    network: Network,
    recipe: Recipe,
    train: Images,
    validation: Images,
    *,
    frozen: Sequence[nn.Module] = (),
    title: str,
    store: Store,
    key: str,
    compute: Compute,
) -> Fitted:
    """Train `network`, or go on where a killed run of the same `key` stopped, or restore it if it was finished.

    Raises `RuntimeError` if anything in `frozen` has changed by a bit.
    """
    key = f"{key}-{_where(compute)}"
    with tempfile.TemporaryDirectory() as scratch:
        finished = Path(scratch) / "run"
        if store.get(key, finished):
            compute.say(f"{title} · restored")
            return _read(finished)
        before = [_bits(module) for module in frozen]
        fitted = _train(network, recipe, train, validation, frozen, title, Checkpoints(store, key), compute)
        if before != [_bits(module) for module in frozen]:
            raise RuntimeError("a frozen part of the network has changed during training")
        _write(fitted, finished)
        store.put(finished, key)
        Checkpoints(store, key).clear()
        return fitted


def _train(
    network: Network,
    recipe: Recipe,
    train: Images,
    validation: Images,
    frozen: Sequence[nn.Module],
    title: str,
    checkpoints: Checkpoints,
    compute: Compute,
) -> Fitted:
    classes = len(network.spec.classes)
    weights = class_weights(train.labels, classes, recipe.imbalance)
    network.start_at(starting_logits(train.labels, classes, weights))

    def chunk_loader(chunk: int) -> DataLoader[Batch]:
        start = chunk * recipe.chunk_steps
        stop = min(start + recipe.chunk_steps, recipe.steps)
        sampler = ChunkSampler(len(train.rows), recipe.batch_size, recipe.seed, start, stop)
        return training_loader(train, sampler, compute.workers)

    module = Classifier(network, recipe, weights, frozen, chunk_loader)
    trainer = _trainer(recipe, [Progress(title, compute.say), SaveChunk(checkpoints)], compute)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loaders, not on results
        checkpoint = checkpoints.latest(Path(folder))
        trainer.fit(module, val_dataloaders=_whole(validation), ckpt_path=checkpoint, weights_only=True)
    if trainer.global_step != recipe.steps:
        raise RuntimeError(f"training stopped at step {trainer.global_step} of {recipe.steps}")
    return Fitted(module.packaged(), recipe.steps, module.best_step, module.best_loss, module.history)


def _trainer(recipe: Recipe, callbacks: list[pl.Callback], compute: Compute) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        accelerator=_device(compute),
        devices=1,
        precision=recipe.precision,
        max_epochs=recipe.chunks,
        deterministic=True,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )


def _device(compute: Compute) -> str:
    cuda = torch.cuda.is_available() if compute.device == "auto" else compute.device == "cuda"
    return "cuda" if cuda else "cpu"


def _where(compute: Compute) -> str:
    """Sums depend on the device and on how many threads share them: a run goes on only where its bits repeat."""
    return "cuda" if _device(compute) == "cuda" else f"cpu{torch.get_num_threads()}"


def _whole(images: Images) -> DataLoader[tuple[Tensor, ...]]:
    pixels = torch.from_numpy(np.ascontiguousarray(images.pixels[images.rows])).float()
    return DataLoader(TensorDataset(pixels, torch.from_numpy(images.labels)), batch_size=VALIDATION_BATCH)


def _bits(module: nn.Module) -> dict[str, bytes]:
    return {key: value.cpu().numpy().tobytes() for key, value in module.state_dict().items()}


def _write(fitted: Fitted, folder: Path) -> None:
    save_network(fitted.network, folder)
    facts = {"steps": fitted.steps, "best_step": fitted.best_step, "validation_loss": fitted.validation_loss}
    write_json(folder / "run.json", facts | {"history": fitted.history})


def _read(folder: Path) -> Fitted:
    facts = read_json(folder / "run.json")
    return Fitted(load_network(folder), **facts)
