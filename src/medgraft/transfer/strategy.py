"""What a strategy is: settings, a function that fits one run, and, where it has to find something out first, a search.

A *run* is one label fraction and one seed of a candidate; a strategy never sees another run, nor test data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from medgraft.catalog import Catalog
from medgraft.networks.assembly import BackboneSpec
from medgraft.params import Settings
from medgraft.training.fitting import Fitted
from medgraft.transfer.run import Run


class StrategySettings(Settings):
    """What every strategy is told."""

    strategy: str = Field(description="Name of the strategy.")

    @property
    def sources(self) -> list[str]:
        """Names of the initializations the strategy starts from."""
        raise NotImplementedError

    @property
    def passes(self) -> int:
        """About how often a run trains on its images, for the plan's estimate of time; 0: on stored features alone."""
        return 0

    @property
    def searches(self) -> bool:
        """Whether `Strategy.search` is asked before anything is fitted."""
        return False


class OneSource(StrategySettings):
    """Settings of strategies that start from one initialization."""

    initialization: str = Field(description="Name of the initialization to start from.")

    @property
    def sources(self) -> list[str]:
        """The one initialization."""
        return [self.initialization]


class ManySources(StrategySettings):
    """Settings of strategies that join several initializations, of any architecture."""

    initializations: list[str] = Field(min_length=2, description="Names of the initializations to join, each once.")

    @field_validator("initializations")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("an initialization is named twice; name each once")
        return names

    @property
    def sources(self) -> list[str]:
        """All of them."""
        return self.initializations


class FineTuned(OneSource):
    """Settings of strategies that train a network with the common recipe."""

    epochs: int = Field(30, ge=1, description="Passes over the training images, cut short by study.max_images.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")

    @property
    def passes(self) -> int:
        """Its epochs."""
        return self.epochs


@dataclass(frozen=True)
class Search:
    """What a search inside train has found: finalists, of which validation chooses one, and all that was tried.

    `finalists`: settings by name, each fitted by its own strategy; few, since each is a look at validation. `record`
    goes into the artifact, with what `reflect` adds once the finalists are fitted (the packaged run of each);
    `plot` writes a picture of the whole record (SVG).
    """

    finalists: Mapping[str, StrategySettings]
    record: dict[str, Any]
    reflect: Callable[[Mapping[str, Fitted]], dict[str, Any]] = lambda fits: {}
    plot: Callable[[Mapping[str, Any], Path], None] | None = None


@dataclass(frozen=True)
class Strategy:
    """A transfer strategy: its settings' schema and the function that fits one run.

    `check` raises `UserError` when a whole backbone does not suit the settings; `plan` asks it for every source.
    `search`, asked if the settings say so, gets the run of all labels and the first seed; see `Search`. It may look at
    nothing but train. `fit` is None where every setting needs a search.
    """

    settings: type[StrategySettings]
    fit: Callable[[Run, Any], Fitted] | None = None
    check: Callable[[BackboneSpec, Any], None] = lambda backbone, settings: None
    search: Callable[[Run, Any], Search] | None = None


strategies: Catalog[Strategy] = Catalog("strategy", "strategies")
