"""What a strategy is: settings, and a function that fits one run.

A *run* is one label fraction and one seed of a candidate; a strategy never sees another run, nor test data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from torch import nn

from medgraft.catalog import Catalog
from medgraft.networks.heads import Kind
from medgraft.networks.initialization import Initialization
from medgraft.networks.network import Network, NetworkSpec, new_network
from medgraft.params import Settings, Study, Task
from medgraft.seeds import derive
from medgraft.store import Store
from medgraft.training.fitting import Compute, Fitted, fit
from medgraft.training.recipe import recipe
from medgraft.training.stream import Images


class StrategySettings(Settings):
    """What every strategy is told."""

    strategy: str = Field(description="Name of the strategy.")

    @property
    def sources(self) -> list[str]:
        """Names of the initializations the strategy starts from."""
        raise NotImplementedError

    @property
    def passes(self) -> int:
        """About how often a run goes over its training images, for the plan's estimate of time."""
        raise NotImplementedError

    @property
    def trains_backbone(self) -> bool:
        """Whether a step goes back through the backbone, for the same estimate."""
        return True


class OneSource(StrategySettings):
    """Settings of strategies that start from one initialization and train with the common recipe."""

    initialization: str = Field(description="Name of the initialization to start from.")
    epochs: int = Field(30, ge=1, description="Passes over the training images, cut short by study.max_images.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")

    @property
    def sources(self) -> list[str]:
        """The one initialization."""
        return [self.initialization]

    @property
    def passes(self) -> int:
        """Its epochs."""
        return self.epochs


@dataclass(frozen=True)
class Run:
    """All a strategy gets for one run.

    `images(size)` gives train and validation images at an image size; `key` identifies the run in the store.
    """

    initializations: Mapping[str, Initialization]
    classes: tuple[str, ...]
    task: Task
    study: Study
    seed: int
    images: Callable[[int], tuple[Images, Images]]
    title: str
    store: Store
    key: str
    compute: Compute

    def network(self, name: str, head: Kind) -> Network:
        """A network that starts from the initialization of that name, its head drawn from the run's seed."""
        source = self.initializations[name]
        origin = source.origin
        spec = NetworkSpec(
            origin.architecture, origin.image_size, origin.mean, origin.std, self.classes, head, self.task
        )
        return new_network(spec, source.weights, derive("head", self.seed))

    def fit(self, network: Network, settings: OneSource, frozen: Sequence[nn.Module] = ()) -> Fitted:
        """Train with the common recipe; parts in `frozen` stay as they are, bit for bit."""
        train, validation = self.images(network.spec.image_size)
        plan = recipe(
            self.study,
            len(train.rows),
            settings.epochs,
            settings.learning_rate,
            settings.weight_decay,
            derive("run", self.seed),
        )
        return fit(
            network,
            plan,
            train,
            validation,
            frozen=frozen,
            title=self.title,
            store=self.store,
            key=self.key,
            compute=self.compute,
        )


@dataclass(frozen=True)
class Strategy:
    """A transfer strategy: its settings' schema and the function that fits one run."""

    settings: type[StrategySettings]
    fit: Callable[[Run, Any], Fitted]


strategies: Catalog[Strategy] = Catalog("strategy", "strategies")
