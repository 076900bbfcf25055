"""Strategy `linear`: a frozen backbone and a linear classifier on its standardised features (linear probe)."""

from pydantic import Field

from medgraft.training.fitting import Fitted
from medgraft.transfer.strategy import OneSource, Run, Strategy, strategies


class LinearSettings(OneSource):
    """A probe is small and convex: it takes a larger rate than a whole network."""

    learning_rate: float = Field(3e-3, gt=0, description="Peak learning rate of AdamW.")


def fit(run: Run, settings: LinearSettings) -> Fitted:
    """Train the head alone; the backbone, BatchNorm statistics included, is checked to be unchanged."""
    network = run.network(settings.initialization, head="normalised_linear")
    return run.fit(network, settings, frozen=(network.backbone,))


strategies.add("linear", Strategy(LinearSettings, fit))
