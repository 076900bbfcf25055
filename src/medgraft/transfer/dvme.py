"""Strategy `dvme`: several frozen backbones, joined by self-attention across them (Dynamic Visual Meta-Embedding).

Truong et al., "How Transferable Are Self-supervised Features in Medical Image Classification Tasks" (arXiv 2108.10048,
section 3); see `networks.fusion` for the head. Trained from stored features.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pydantic import Field

from medgraft.networks.fusion import ModelAttention
from medgraft.networks.heads import Standardise
from medgraft.networks.network import Network
from medgraft.training.features import Examples
from medgraft.training.fitting import Fitted
from medgraft.training.standardisation import standardisation
from medgraft.training.stream import Images
from medgraft.transfer.probing import joined, widths_of
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import ManySources, Strategy, strategies


class DvmeSettings(ManySources):
    """How the head is trained.

    The paper names neither epochs nor a rate. A longer and faster course overfits a few hundred to a few thousand
    images while the rate still rises, and is no better: `benchmarks/strategies.md`, "How long DVME should learn".
    """

    epochs: int = Field(20, ge=1, description="Passes over the stored features of the training images.")
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")


def fit(run: Run, settings: DvmeSettings) -> Fitted:
    """Train the head; say how much each source was attended to, and what is lost without it."""
    names = settings.initializations
    examples = {name: run.features(name) for name in names}
    fitted = train_head(run, settings, names, examples)
    facts = fitted.facts | {"attention": _attention(fitted.network, names, examples)}
    if len(names) > 2:
        facts["validation_loss_without"] = {
            name: train_head(
                replace(run, title=f"{run.title} · without {name}"),
                settings,
                [other for other in names if other != name],
                examples,
            ).validation_loss
            for name in names
        }
    return replace(fitted, facts=facts)


def train_head(
    run: Run, settings: DvmeSettings, names: Sequence[str], examples: dict[str, tuple[Examples, Examples]]
) -> Fitted:
    """The head over the sources `names`; `examples`: of every source, the features of train and of validation."""
    trains, validations = zip(*(examples[name] for name in names), strict=True)
    features = joined(trains)
    network = run.network(names, "dvme")
    first = network.head[0]
    assert isinstance(first, Standardise)
    mean, scale = standardisation(features, widths_of(trains))
    first.mean.copy_(torch.from_numpy(mean))
    first.scale.copy_(torch.from_numpy(scale))
    return run.fit_head(network, settings, _images(features, trains[0]), _images(joined(validations), validations[0]))


def _images(features: np.ndarray[Any, np.dtype[np.float32]], examples: Examples) -> Images:
    return Images(features, np.arange(len(features)), examples.labels)


@torch.inference_mode()
def _attention(
    network: Network, names: Sequence[str], examples: dict[str, tuple[Examples, Examples]]
) -> dict[str, float]:
    """The attention each source receives from all, itself too: mean over validation images and heads; adds to 1."""
    standardise, attention = network.head[0], network.head[1]
    assert isinstance(attention, ModelAttention)
    features = torch.from_numpy(joined([examples[name][1] for name in names]))
    _, weights = attention.attend(standardise(features))
    received = weights.double().mean(dim=(0, 1, 2))
    return dict(zip(names, received.tolist(), strict=True))


strategies.add("dvme", Strategy(DvmeSettings, fit))
