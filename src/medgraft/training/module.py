"""The Lightning module: one classification network, what of it is trained, and the best state seen."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from medgraft.data.augmentation import augment
from medgraft.data.augmentation_volume import augment_volumes
from medgraft.errors import UserError
from medgraft.networks.network import Network
from medgraft.networks.preprocess import Preprocess
from medgraft.networks.preprocess_volume import PreprocessVolume
from medgraft.seeds import derive
from medgraft.training.losses import prior_shift, total_loss, training_loss
from medgraft.training.recipe import Recipe
from medgraft.training.stream import Batch


class Classifier(pl.LightningModule):
    """The loss of its task on a `Network` of one backbone, or on the head of any, which then is given features.

    `class_weights` float32 [2, classes], of absent and present classes, weight the loss; what they shift in the
    learned prior is taken back. What is in `frozen` keeps its parameters; modules there, and those in `evaluating`,
    stay in evaluation mode, BatchNorm statistics included. `chunk_loader` gives the batches of a chunk by its number.
    """

    class_weights: Tensor

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        class_weights: Tensor,
        frozen: Sequence[nn.Module | nn.Parameter],
        evaluating: Sequence[nn.Module],
        chunk_loader: Callable[[int], DataLoader[Batch]],
        *,
        from_features: bool,
    ) -> None:
        super().__init__()
        self.chunk_loader = chunk_loader
        self.network = network
        self.recipe = recipe
        self.register_buffer("class_weights", class_weights)
        self.from_features = from_features
        for part in frozen:
            part.requires_grad_(False)
        self.evaluating = [*evaluating, *(part for part in frozen if isinstance(part, nn.Module))]
        self.best_loss = float("inf")
        self.best_step = 0
        self.best_state: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self._train_losses: list[Tensor] = []
        self._validation: list[tuple[Tensor, int]] = []

    def train(self, mode: bool = True) -> "Classifier":
        """Training mode for all but what is frozen or stays in evaluation mode."""
        super().train(mode)
        for module in self.evaluating:
            module.eval()
        return self

    def train_dataloader(self) -> DataLoader[Batch]:
        """The loader of the chunk that begins; Lightning asks anew for every one."""
        return self.chunk_loader(self.trainer.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Lightning keeps modes as it found them; ours are set anew for every chunk."""
        self.train()
        self._train_losses.clear()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of one batch; dropout and the like draw from a seed of this step alone."""
        given, labels = batch
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive("forward", self.recipe.seed, self.global_step))
            logits = self._logits(given, derive("view", self.recipe.seed, self.global_step))
        loss = training_loss(logits, labels, self.class_weights)
        self._train_losses.append(loss.detach())
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Adds up the loss of the model as it would be packaged, unweighted, its prior corrected."""
        given, labels = batch
        raw = self._logits(given, None)
        self._validation.append(total_loss(raw.float() - prior_shift(self.class_weights), labels))

    @property
    def _trained(self) -> nn.Module:
        return self.network.head if self.from_features else self.network

    def _logits(self, given: Tensor, view: int | None) -> Tensor:
        """Of features as they are, or of images, seen as the seed `view` says or unchanged."""
        if self.from_features:
            of_features: Tensor = self.network.head(given)
            return of_features
        images = given.float()
        if view is not None:
            change = augment if images.ndim == 4 else augment_volumes
            images = change(images, self.recipe.augmentation, view)
        preprocess = self.network.preprocesses[0]
        assert isinstance(preprocess, Preprocess | PreprocessVolume)
        logits: Tensor = self.network(preprocess.normalise(images))
        return logits

    def on_validation_epoch_end(self) -> None:
        """Keep the state when its validation loss is the lowest so far."""
        loss = self._validation_loss()
        train_loss = float(torch.stack(self._train_losses).mean())
        if not (loss < float("inf") and train_loss < float("inf")):
            raise UserError(
                f"the loss became {loss} (on train {train_loss}) at step {self.global_step}; "
                f"lower learning_rate, which is {self.recipe.learning_rate}"
            )
        self.history.append({"step": self.global_step, "train_loss": train_loss, "validation_loss": loss})
        self._keep_if_best(loss, self.global_step)

    @torch.no_grad()
    def look_at_start(self, validation: Iterable[Batch]) -> None:
        """Let the network as it is now be the best so far: where its head has been fitted, training may not help."""
        self.eval()
        for index, batch in enumerate(validation):
            self.validation_step(batch, index)
        self._keep_if_best(self._validation_loss(), 0)

    def _validation_loss(self) -> float:
        total = sum(float(loss) for loss, _ in self._validation)
        count = sum(count for _, count in self._validation)
        self._validation.clear()
        return total / count

    def _keep_if_best(self, loss: float, step: int) -> None:
        if loss < self.best_loss:
            self.best_loss, self.best_step = loss, step
            self.best_state = {k: v.detach().cpu().clone() for k, v in self._trained.state_dict().items()}

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's own union)
        """AdamW on what is trained, the backbone at a rate of its own, and the recipe's schedule by step."""
        rates = {self.network.head: 1.0, self.network.backbones: self.recipe.backbone_rate}
        groups = [
            {"params": [p for p in part.parameters() if p.requires_grad], "lr": rate * self.recipe.learning_rate}
            for part, rate in rates.items()
        ]
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=self.recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.recipe.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The best state and the history go along: tensors and numbers only."""
        checkpoint["best"] = {"loss": self.best_loss, "step": self.best_step, "state": self.best_state}
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The inverse of `on_save_checkpoint`."""
        best = checkpoint["best"]
        self.best_loss, self.best_step, self.best_state = best["loss"], best["step"], best["state"]
        self.history = checkpoint["history"]

    def packaged(self) -> Network:
        """The network in its best state, the prior correction folded into its head."""
        self._trained.load_state_dict(self.best_state)
        self.network.cpu().eval().requires_grad_(True)
        self.network.take_back(prior_shift(self.class_weights.cpu()))
        return self.network
