"""All that a strategy gets for one run, and what most of them do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import polars as pl
from torch import nn

from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.cuts import WHOLE, Pooling
from medgraft.networks.heads import Kind
from medgraft.networks.initialization import Initialization
from medgraft.networks.network import Network, NetworkSpec, new_network
from medgraft.params import Study, Task
from medgraft.seeds import derive
from medgraft.store import Store
from medgraft.training.data import TrainingData
from medgraft.training.features import Examples, Features, open_features
from medgraft.training.fitting import Compute, Fitted, fit, fit_head
from medgraft.training.pixels import open_pixels
from medgraft.training.recipe import Recipe, recipe
from medgraft.training.stream import Images


class Training(Protocol):
    """The settings of the common recipe."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...


@dataclass(frozen=True)
class Run:
    """One label fraction and one seed: `rows` are its training images; `key` identifies it in the store."""

    initializations: Mapping[str, Initialization]
    data: TrainingData
    rows: pl.DataFrame
    window: tuple[float, float]
    study: Study
    seed: int
    title: str
    store: Store
    key: str
    compute: Compute

    @property
    def task(self) -> Task:
        """What kind of label there is."""
        return self.data.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.data.classes

    def backbone(self, name: str) -> BackboneSpec:
        """The whole backbone of an initialization."""
        return self.initializations[name].origin.backbone

    def network(
        self,
        names: Sequence[str],
        head: Kind,
        *,
        cut: str | None = None,
        above: Literal["removed", "slimmed"] = "removed",
        pooling: Pooling = "mean",
    ) -> Network:
        """A network that starts from the initializations of those names, what is new drawn from the run's seed."""
        sources = [self.initializations[name] for name in names]
        backbones = [replace(s.origin.backbone, cut=cut, above=above, pooling=pooling) for s in sources]
        spec = NetworkSpec(tuple(backbones), self.classes, head, self.task, self.window)
        return new_network(spec, [source.weights for source in sources], derive("head", self.seed))

    def images(self, size: int) -> tuple[Images, Images]:
        """Train and validation images at an image size."""
        pixels = open_pixels(self.data.folder, size, self.window, self.compute.cache)
        return self.data.images(self.rows, pixels), self.data.images(self.data.validation, pixels)

    def features(self, name: str, places: Sequence[str] = (WHOLE,)) -> tuple[Examples, Examples]:
        """Train and validation features of an initialization at the given places."""
        store = self.store_of(name, places)
        return store.examples(self.data, self.rows), store.examples(self.data, self.data.validation)

    def store_of(self, name: str, places: Sequence[str]) -> Features:
        """The feature store of an initialization, with the given places in it."""
        return open_features(self.initializations[name], self.data.folder, self.window, self.compute, places)

    def recipe(self, settings: Training, backbone_rate: float = 1.0) -> Recipe:
        """The common recipe for this run."""
        return recipe(
            self.study,
            len(self.rows),
            settings.epochs,
            settings.learning_rate,
            settings.weight_decay,
            derive("run", self.seed),
            backbone_rate,
        )

    def fit(
        self,
        network: Network,
        settings: Training,
        *,
        frozen: Sequence[nn.Module | nn.Parameter] = (),
        backbone_rate: float = 1.0,
        fitted_head: bool = False,
    ) -> Fitted:
        """Train with the common recipe; what is in `frozen` stays as it is, bit for bit. See `training.fitting.fit`."""
        train, validation = self.images(network.spec.backbones[0].image_size)
        return fit(
            network,
            self.recipe(settings, backbone_rate),
            train,
            validation,
            frozen=frozen,
            fitted_head=fitted_head,
            title=self.title,
            store=self.store,
            key=self.key,
            compute=self.compute,
        )

    def fit_head(self, network: Network, settings: Training, train: Images, validation: Images) -> Fitted:
        """Train the head alone, on stored features in place of images: the cost ceiling is for those."""
        free = self.study.model_copy(update={"max_images": settings.epochs * len(self.rows)})
        plan = replace(self, study=free).recipe(settings)
        return fit_head(network, plan, train, validation, title=self.title, compute=self.compute)
