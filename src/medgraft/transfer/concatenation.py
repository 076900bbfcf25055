"""Strategy `concatenation`: L2 logistic regression on the features of several frozen backbones side by side.

What any learned fusion has to beat (as in BioFuse, doi 10.1371/journal.pone.0320989).
"""

from medgraft.training.fitting import Fitted
from medgraft.training.probe import fill
from medgraft.transfer.probing import finished, joined, probe, probe_facts, widths_of
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import ManySources, Strategy, strategies


class ConcatenationSettings(ManySources):
    """Nothing else."""


def fit(run: Run, settings: ConcatenationSettings) -> Fitted:
    """Fit the head alone."""
    names = settings.initializations
    trains, validations = zip(*(run.features(name) for name in names), strict=True)
    found = probe(run, trains[0], joined(trains), f"initializations {', '.join(names)}", widths_of(trains))
    network = run.network(names, "standardised_linear")
    fill(network.head, found.probe)
    return finished(network, joined(validations), validations[0], probe_facts(found))


strategies.add("concatenation", Strategy(ConcatenationSettings, fit))
