"""Strategy `lp_ft`: a linear probe first, then fine-tuning of all from there.

Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution" (arXiv 2202.10054): a
head that fits already sends no large gradients into a backbone that is good. That holds only as long as the backbone
gives what the head was fitted on, so BatchNorm keeps its statistics (the authors' code can keep all of the network in
evaluation mode: `use_net_val_mode` in https://github.com/AnanyaKumar/transfer_learning). In medical images it helped in
half of the cases that Davila et al. (arXiv 2406.10050) tried.
"""

from dataclasses import replace

from pydantic import Field

from medgraft.training.fitting import Fitted
from medgraft.transfer.probing import probe_facts, probed
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import FineTuned, Strategy, strategies


class LpFtSettings(FineTuned):
    """The common recipe; the learning rate is that of the second part."""

    learning_rate: float = Field(3e-4, gt=0, description="Peak learning rate of AdamW when all is fine-tuned.")


def fit(run: Run, settings: LpFtSettings) -> Fitted:
    """Probe as `linear` does, then train all of it."""
    name = settings.initialization
    train, _ = run.features(name)
    network, found = probed(run, name, train)
    fitted = run.fit(network, settings, fitted_head=True)
    return replace(fitted, facts=fitted.facts | {"probe": probe_facts(found)})


strategies.add("lp_ft", Strategy(LpFtSettings, fit))
