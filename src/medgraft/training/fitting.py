"""The one place that runs the training framework: a network, a recipe, images → the fitted network.

Lightning's epoch is a *chunk* of steps here; the loader is rebuilt for every chunk from the step it starts at,
so a run that was killed goes on from its last chunk and ends, on a CPU, with the same bits.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from medgraft.artifacts import read_json, write_json
from medgraft.networks.network import Network, load_network, save_network
from medgraft.store import Store
from medgraft.training.callbacks import Progress, SaveChunk
from medgraft.training.checkpoints import Checkpoints
from medgraft.training.losses import class_weights, prior_shift, starting_logits
from medgraft.training.module import Classifier
from medgraft.training.recipe import Recipe
from medgraft.training.stream import Batch, ChunkSampler, Images, training_loader, validation_loader


@dataclass(frozen=True)
class Compute:
    """Where a run computes and keeps its pixel store; nothing here is part of a fingerprint."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = 0
    cache: Path = Path(".medgraft/pixels")
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Fitted:
    """A finished run: the network as it is packaged, its validation loss, facts of how it was fitted, the history.

    `history`: step, loss on train and on validation, where the loss was gone down step by step. That on train is what
    is gone down: weighted, of augmented images; that on validation is of the model as it would be packaged.
    """

    network: Network
    validation_loss: float
    facts: dict[str, Any]
    history: list[dict[str, float]]


def fit(
    network: Network,
    recipe: Recipe,
    train: Images,
    validation: Images,
    *,
    frozen: Sequence[nn.Module | nn.Parameter] = (),
    fitted_head: bool = False,
    title: str,
    store: Store,
    key: str,
    compute: Compute,
) -> Fitted:
    """Train `network`, or go on where a killed run of the same `key` stopped, or restore it if it was finished.

    `fitted_head`: the head knows the classes already, so that the network as given may be the best state, at step 0,
    and BatchNorm keeps its statistics, under which the head was fitted: with those of a batch the same head is far off,
    and its loss would tear at the backbone. Otherwise the head starts at the class frequencies. Raises `RuntimeError`
    if anything in `frozen` has changed by a bit.
    """
    key = f"{key}-{where(compute)}"
    with tempfile.TemporaryDirectory() as scratch:
        finished = Path(scratch) / "run"
        if store.get(key, finished):
            compute.say(f"{title} · restored")
            return _read(finished)
        weights = class_weights(train.labels, len(network.spec.classes), recipe.imbalance)
        if fitted_head:
            network.take_back(-prior_shift(weights))  # what the weighted loss will learn, and `packaged` takes back
        else:
            network.start_at(starting_logits(train.labels, len(network.spec.classes), weights))
        norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        evaluating = norms if fitted_head else []
        make = partial(Classifier, network, recipe, weights, frozen, evaluating, from_features=False)
        checkpoints = Checkpoints(store, key)
        fitted = _train(make, frozen, recipe, train, validation, title, checkpoints, compute, from_start=fitted_head)
        _write(fitted, finished)
        store.put(finished, key)
        checkpoints.clear()
        return fitted


def fit_head(
    network: Network, recipe: Recipe, train: Images, validation: Images, *, title: str, compute: Compute
) -> Fitted:
    """Train the head alone, on features of its backbones, which stay as they are, bit for bit.

    It takes seconds, so nothing of it is kept for a killed run to go on from.
    """
    classes = len(network.spec.classes)
    weights = class_weights(train.labels, classes, recipe.imbalance)
    network.start_at(starting_logits(train.labels, classes, weights))
    frozen = (network.backbones,)
    make = partial(Classifier, network, recipe, weights, frozen, (), from_features=True)
    return _train(make, frozen, recipe, train, validation, title, None, compute, from_start=False)


def _train(
    make: Callable[..., Classifier],
    frozen: Sequence[nn.Module | nn.Parameter],
    recipe: Recipe,
    train: Images,
    validation: Images,
    title: str,
    checkpoints: Checkpoints | None,
    compute: Compute,
    *,
    from_start: bool,
) -> Fitted:
    """`from_start`: the network as it is given may be the best one, too."""
    before = [_bits(part) for part in frozen]

    def chunk_loader(chunk: int) -> DataLoader[Batch]:
        start = chunk * recipe.chunk_steps
        stop = min(start + recipe.chunk_steps, recipe.steps)
        sampler = ChunkSampler(len(train.rows), recipe.batch_size, recipe.seed, start, stop)
        return training_loader(train, sampler, compute.workers)

    module = make(chunk_loader=chunk_loader)
    if from_start:
        module.look_at_start(validation_loader(validation))
    saving = [SaveChunk(checkpoints)] if checkpoints else []
    trainer = _trainer(recipe, [Progress(title, compute.say), *saving], compute)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # advice on loaders, not on results
        checkpoint = checkpoints.latest(Path(folder)) if checkpoints else None
        trainer.fit(module, val_dataloaders=validation_loader(validation), ckpt_path=checkpoint, weights_only=True)
    if trainer.global_step != recipe.steps:
        raise RuntimeError(f"training stopped at step {trainer.global_step} of {recipe.steps}")
    if before != [_bits(part) for part in frozen]:
        raise RuntimeError("a frozen part of the network has changed during training")
    facts = {"steps": recipe.steps, "best_step": module.best_step}
    return Fitted(module.packaged(), module.best_loss, facts, module.history)


def _trainer(recipe: Recipe, callbacks: list[pl.Callback], compute: Compute) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        accelerator=device(compute),
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


def device(compute: Compute) -> str:
    """ "cuda" or "cpu"."""
    cuda = torch.cuda.is_available() if compute.device == "auto" else compute.device == "cuda"
    return "cuda" if cuda else "cpu"


def where(compute: Compute) -> str:
    """Sums depend on the device and on how many threads share them: a run goes on only where its bits repeat."""
    return "cuda" if device(compute) == "cuda" else f"cpu{torch.get_num_threads()}"


def _bits(part: nn.Module | nn.Parameter) -> dict[str, bytes]:
    tensors = part.state_dict() if isinstance(part, nn.Module) else {"": part.detach()}
    return {key: value.cpu().numpy().tobytes() for key, value in tensors.items()}


def _write(fitted: Fitted, folder: Path) -> None:
    save_network(fitted.network, folder)
    facts = {"validation_loss": fitted.validation_loss, "facts": fitted.facts, "history": fitted.history}
    write_json(folder / "run.json", facts)


def _read(folder: Path) -> Fitted:
    return Fitted(load_network(folder), **read_json(folder / "run.json"))
