"""Strategy `linear`: a frozen backbone, and L2 logistic regression on its standardised features (linear probe).

From the feature store, so without augmentation; the regularisation is chosen by patient-grouped cross-validation inside
the run's train images. The same probe trained step by step with augmentation is `layerwise` at the last cut.
"""

from medgraft.training.fitting import Fitted
from medgraft.transfer.probing import finished, probe_facts, probed
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import OneSource, Strategy, strategies


class LinearSettings(OneSource):
    """Nothing else."""


def fit(run: Run, settings: LinearSettings) -> Fitted:
    """Fit the head alone."""
    name = settings.initialization
    train, validation = run.features(name)
    network, found = probed(run, name, train)
    return finished(network, validation.whole, validation, probe_facts(found))


strategies.add("linear", Strategy(LinearSettings, fit))
