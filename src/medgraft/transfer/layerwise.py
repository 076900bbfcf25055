"""Strategy `layerwise`: frozen up to a cut, fine-tuned above it, the backbone more slowly than the head.

The LWFT of "Rethinking Transfer Learning for Medical Image Classification" (arXiv 2106.05152, section 3). Frozen means
frozen: BatchNorm statistics, too, which the published code lets drift; and the backbone's own learning rate applies on
any number of GPUs, where there the backbone was taken for a part of the head.
"""

from pydantic import Field

from medgraft.networks.assembly import BackboneSpec, places
from medgraft.networks.cuts import find_cut
from medgraft.networks.freezing import at_or_below
from medgraft.training.fitting import Fitted
from medgraft.transfer.run import Run
from medgraft.transfer.strategy import FineTuned, Strategy, strategies


class LayerwiseSettings(FineTuned):
    """Where, and how much more slowly."""

    cut: str = Field(
        description="The cut at and below which all stays frozen (`medgraft cuts` lists them); at the last one only "
        "what follows it is trained: a linear probe with augmentation, where nothing but a pooling does."
    )
    backbone_rate: float = Field(
        0.1, gt=0, le=1, description="Learning rate of the backbone, as a factor of the head's."
    )


def check(backbone: BackboneSpec, settings: LayerwiseSettings) -> None:
    """Raises `UserError` when there is no such cut."""
    find_cut(places(backbone), settings.cut)


def fit(run: Run, settings: LayerwiseSettings) -> Fitted:
    """Train what lies above the cut, and the head."""
    network = run.network([settings.initialization], "linear")
    frozen = at_or_below(network.backbones[0], settings.cut)
    return run.fit(network, settings, frozen=frozen, backbone_rate=settings.backbone_rate)


strategies.add("layerwise", Strategy(LayerwiseSettings, fit, check))
