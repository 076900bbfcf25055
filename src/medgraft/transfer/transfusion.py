"""Strategy `transfusion`: pretrained up to a cut; above it half as wide and new; all of it trained.

The hybrid of Raghu et al., "Transfusion: Understanding Transfer Learning for Medical Imaging" (arXiv 1902.07208,
section 5), as "Rethinking Transfer Learning for Medical Image Classification" (arXiv 2106.05152, section 3) uses it.
"""

from dataclasses import replace

from pydantic import Field

from medgraft.networks.assembly import BackboneSpec, assemble
from medgraft.training.fitting import Fitted
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import FineTuned, Strategy, strategies


class TransfusionSettings(FineTuned):
    """Where."""

    cut: str = Field(
        description="The cut up to which all is pretrained and as wide as it was (`medgraft cuts` lists them)."
    )


def check(backbone: BackboneSpec, settings: TransfusionSettings) -> None:
    """Raises `UserError` when there is no such cut, or the architecture's widths cannot be halved."""
    assemble(replace(backbone, cut=settings.cut, above="slimmed"))


def fit(run: Run, settings: TransfusionSettings) -> Fitted:
    """Train all of it."""
    network = run.network([settings.initialization], "linear", cut=settings.cut, above="slimmed")
    return run.fit(network, settings)


strategies.add("transfusion", Strategy(TransfusionSettings, fit, check))
