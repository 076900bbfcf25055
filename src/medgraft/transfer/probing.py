"""Classifiers on stored features: what the probing strategies share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medgraft.networks.network import Network
from medgraft.seeds import derive
from medgraft.training.features import Examples
from medgraft.training.fitting import Fitted
from medgraft.training.losses import total_loss
from medgraft.training.probe import Fit, fill, fit_probe
from medgraft.transfer.run import Run


def probe(
    run: Run, train: Examples, features: NDArray[np.float32], what: str, widths: Sequence[int] | None = None
) -> Fit:
    """L2 logistic regression on these features of the run's train images; see `fit_probe`. `what`: whose they are."""
    return fit_probe(
        features,
        train.labels,
        train.groups,
        run.task,
        len(run.classes),
        run.study.imbalance,
        derive("folds", run.seed),
        what=f"{run.title}, {what}",
        widths=widths,
    )


def probe_facts(fit: Fit) -> dict[str, Any]:
    """What the artifact says of a probe."""
    return {
        "strength": fit.strength,
        "strength_at_edge": fit.edge,
        "cross_validated_loss": fit.loss,
        "cross_validated_loss_se": fit.error,
        "folds": fit.folds,
    }


def joined(parts: Sequence[Examples]) -> NDArray[np.float32]:
    """The whole backbones' features side by side, as a network of several backbones has them."""
    return np.concatenate([part.whole for part in parts], axis=1)


def widths_of(parts: Sequence[Examples]) -> list[int]:
    """How many of these columns are each backbone's."""
    return [part.whole.shape[1] for part in parts]


def probed(run: Run, name: str, train: Examples) -> tuple[Network, Fit]:
    """The network of one initialization with a linear probe of its train features for a head, and the probe."""
    found = probe(run, train, train.whole, f"initialization {name}")
    network = run.network([name], "standardised_linear")
    fill(network.head, found.probe)
    return network, found


@torch.inference_mode()
def finished(network: Network, features: NDArray[np.float32], examples: Examples, facts: Mapping[str, Any]) -> Fitted:
    """A network whose head was fitted on stored features, with its loss on these (validation) examples."""
    logits = network.eval().head(torch.from_numpy(features))
    loss, count = total_loss(logits, torch.from_numpy(examples.labels))
    return Fitted(network, float(loss) / count, dict(facts), [])
