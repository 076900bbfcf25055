"""Strategy `best_source`: of several initializations, the linear probe of the one that train itself likes best.

By cross-validation inside train, so that it costs no look at validation beyond its own.
"""

from medgraft.transfer.linear import LinearSettings
from medgraft.transfer.probing import probe, probe_facts
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import ManySources, Search, Strategy, strategies


class BestSourceSettings(ManySources):
    """Nothing else."""

    @property
    def searches(self) -> bool:
        """Always."""
        return True


def search(run: Run, settings: BestSourceSettings) -> Search:
    """Probe each; the lowest cross-validated loss is the one finalist, the first named of equals."""
    found = {}
    for name in settings.initializations:
        train, _ = run.features(name)
        found[name] = probe(run, train, train.whole, f"initialization {name}")
    best = min(found, key=lambda name: found[name].loss)
    probes = [{"initialization": name} | probe_facts(fit) for name, fit in found.items()]
    return Search({best: LinearSettings(strategy="linear", initialization=best)}, {"probes": probes})


strategies.add("best_source", Strategy(BestSourceSettings, search=search))
