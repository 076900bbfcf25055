"""Strategy `mean_probability`: a linear probe of each of several frozen backbones, and the mean of what they say."""

from torch import nn

from medgraft.networks.fusion import MeanProbability
from medgraft.training.fitting import Fitted
from medgraft.training.probe import fill
from medgraft.transfer.probing import finished, joined, probe, probe_facts
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import ManySources, Strategy, strategies


class MeanProbabilitySettings(ManySources):
    """Nothing else."""


def fit(run: Run, settings: MeanProbabilitySettings) -> Fitted:
    """Fit each head alone."""
    names = settings.initializations
    trains, validations = zip(*(run.features(name) for name in names), strict=True)
    network = run.network(names, "mean_probability")
    mean = network.head[0]
    assert isinstance(mean, MeanProbability)
    facts = {}
    for name, train, member in zip(names, trains, mean.members, strict=True):
        found = probe(run, train, train.whole, f"initialization {name}")
        assert isinstance(member, nn.Sequential)
        fill(member, found.probe)
        facts[name] = probe_facts(found)
    return finished(network, joined(validations), validations[0], {"members": facts})


strategies.add("mean_probability", Strategy(MeanProbabilitySettings, fit))
