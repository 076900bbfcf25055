"""Strategy `truncated`: pretrained up to a cut, nothing above it, fine-tuned whole (TruncatedTL).

"Rethinking Transfer Learning for Medical Image Classification" (arXiv 2106.05152, section 3). The authors search blocks
and then layers by training every one; and the cuts they published are those with the best test score. Here train itself
ranks the cuts, see `screening`, and validation sees at most three finalists, the whole network among them: cutting
need not help (it did not on HAM10000 in the authors' own logs).
"""

from pydantic import Field

from medgraft.networks.assembly import BackboneSpec, places
from medgraft.networks.cuts import Pooling, find_cut
from medgraft.training.fitting import Fitted
from medgraft.transfer.full import FullSettings
from medgraft.transfer.plots import plot_search
from medgraft.transfer.run import Run
from medgraft.transfer.screening import chosen, drift, screen
from medgraft.transfer.strategy import FineTuned, Search, Strategy, strategies

SEARCH = "search"


class TruncatedSettings(FineTuned):
    """Where, and what the head reads there."""

    cut: str = Field(SEARCH, description="Name of a cut (`medgraft cuts` lists them), or `search`.")
    pooling: Pooling = Field(
        "mean",
        description="What the head reads: the `mean` over the map (global average pooling), or the map, `flatten`ed.",
    )

    @property
    def searches(self) -> bool:
        """Unless the cut is given."""
        return self.cut == SEARCH


def check(backbone: BackboneSpec, settings: TruncatedSettings) -> None:
    """Raises `UserError` when the architecture cannot be cut, or has no such cut."""
    found = places(backbone)
    if not settings.searches:
        find_cut(found, settings.cut)


def fit(run: Run, settings: TruncatedSettings) -> Fitted:
    """Train all that is left, and the head."""
    network = run.network([settings.initialization], "linear", cut=settings.cut, pooling=settings.pooling)
    return run.fit(network, settings)


def search(run: Run, settings: TruncatedSettings) -> Search:
    """Screen the cuts inside train; the finalists are two of them, and the whole network."""
    screened = screen(run, settings.initialization)
    recipe = {key: getattr(settings, key) for key in FullSettings.model_fields if key != "strategy"}
    finalists: dict[str, FineTuned] = {
        cut: TruncatedSettings(**settings.model_dump() | {"cut": cut}) for cut in chosen(screened)
    }
    finalists["full"] = FullSettings(strategy="full", **recipe)
    return Search(
        finalists,
        {"probes": [probe.facts() for probe in screened]},
        reflect=lambda fits: drift(run, settings.initialization, fits["full"].network),
        plot=plot_search,
    )


strategies.add("truncated", Strategy(TruncatedSettings, fit, check, search))
