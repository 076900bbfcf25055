"""What happens at a chunk's end besides training: a checkpoint, and a line of progress."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from medgraft.training.checkpoints import Checkpoints
from medgraft.training.module import Classifier


class SaveChunk(pl.Callback):
    """Saves the run into the store at the end of every chunk."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Validation has been done by then."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "chunk.ckpt"
            trainer.save_checkpoint(local)
            self.checkpoints.save(local, trainer.global_step)


class Progress(pl.Callback):
    """Says after every chunk how far the run is, how fast, and how long it waited for data."""

    def __init__(self, title: str, say: Callable[[str], None]) -> None:
        self.title = title
        self.say = say
        self._mark = 0.0
        self._waited = 0.0
        self._began = 0.0
        self._images = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A new chunk."""
        self._began = self._mark = time.perf_counter()
        self._waited, self._images = 0.0, 0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int) -> None:  # noqa: ANN401  (as the framework calls it)
        """Since the last batch ended, the loop waited for this one."""
        self._waited += time.perf_counter() - self._mark
        self._images += len(batch[1])

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401  (as the framework calls it)
        batch: Any,  # noqa: ANN401  (as the framework calls it)
        index: int,
    ) -> None:
        """The wait for the next one begins."""
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """One line."""
        assert isinstance(module, Classifier)
        spent = max(self._mark - self._began, 1e-9)
        last = module.history[-1]
        self.say(
            f"{self.title} · step {trainer.global_step}/{module.recipe.steps} · loss {last['train_loss']:.3f} · "
            f"validation loss {last['validation_loss']:.3f} · {self._images / spent:.0f} images/s, "
            f"{self._waited / spent:.0%} of it waiting for data"
        )
