"""Strategy `full`: every layer starts from the initialization and is fine-tuned at one learning rate."""

from medgraft.training.fitting import Fitted
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import FineTuned, Strategy, strategies


class FullSettings(FineTuned):
    """The common recipe."""


def fit(run: Run, settings: FullSettings) -> Fitted:
    """Train backbone and head."""
    return run.fit(run.network([settings.initialization], "linear"), settings)


strategies.add("full", Strategy(FullSettings, fit))
