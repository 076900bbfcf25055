"""Strategy `linear`: a frozen backbone, and L2 logistic regression on its standardised features (linear probe).

From the feature store, so without augmentation; the regularisation is chosen by patient-grouped cross-validation inside
the run's train images. The same probe trained step by step with augmentation is `layerwise` at the last cut.
"""

from medgraft.training.fitting import Fitted
from medgraft.training.probe import fill
from medgraft.transfer.probing import finished, probe, probe_facts
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import OneSource, Strategy, strategies


class LinearSettings(OneSource):
    """Nothing else."""


def fit(run: Run, settings: LinearSettings) -> Fitted:
    """Fit the head alone."""
    name = settings.initialization
    train, validation = run.features(name)
    found = probe(run, train, train.whole, f"initialization {name}")
    network = run.network([name], "standardised_linear")
    fill(network.head, found.probe)
    return finished(network, validation.whole, validation, probe_facts(found))


strategies.add("linear", Strategy(LinearSettings, fit))
