"""Strategy `linear`: a frozen backbone and a linear classifier on its standardised features (linear probe)."""

from medgraft.training.fitting import Fitted
from medgraft.transfer.strategy import OneSource, Run, Strategy, strategies


class LinearSettings(OneSource):
    """The common recipe."""

    @property
    def trains_backbone(self) -> bool:
        """Only the head is trained."""
        return False


def fit(run: Run, settings: LinearSettings) -> Fitted:
    """Train the head alone; the backbone, BatchNorm statistics included, is checked to be unchanged."""
    network = run.network(settings.initialization, head="normalised_linear")
    return run.fit(network, settings, frozen=(network.backbone,))


strategies.add("linear", Strategy(LinearSettings, fit))
