"""Strategy `full`: every layer starts from the initialization and is fine-tuned at one learning rate."""

from medgraft.training.fitting import Fitted
from medgraft.transfer.strategy import OneSource, Run, Strategy, strategies


class FullSettings(OneSource):
    """The common recipe."""


def fit(run: Run, settings: FullSettings) -> Fitted:
    """Train backbone and head."""
    return run.fit(run.network(settings.initialization, head="linear"), settings)


strategies.add("full", Strategy(FullSettings, fit))
