"""What a pretraining method is: settings, a check before anything runs, and a function that gives weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import timm
from pydantic import Field

from medgraft.catalog import Catalog
from medgraft.networks.backbones import Volumes, Weights
from medgraft.networks.initialization import Origin
from medgraft.networks.native import native_architectures
from medgraft.params import Settings
from medgraft.store import Store


class MethodSettings(Settings):
    """What every method is told."""

    method: str = Field(description="Name of the pretraining method.")
    architecture: str = Field(description="Any timm architecture, e.g. `tf_efficientnet_lite0`.")
    image_size: int | None = Field(
        None, ge=16, description="Side of the network's square input in pixels; the architecture's own if left out."
    )
    volumes: Volumes | None = Field(
        None,
        description="For data sets of volumes: a network for images made to take them, by `acs` convolutions or "
        "`inflated`, or one that is `native` to them (`monai_…`). Left out: for images.",
    )


@dataclass(frozen=True)
class Made:
    """What a method gives: where the weights come from, the weights, and facts for the card.

    `exposed` are the group and image ids the weights have seen, see `data.overlap.exposure`, for overlap checks; empty
    for public weights. A method that has read no label of theirs adds `"labels": False`; what is chosen inside a
    study's train split may then use the weights although they have seen it.
    `classifier`: see `Initialization`.
    """

    origin: Origin
    weights: Weights
    facts: Mapping[str, Any] = field(default_factory=dict)
    exposed: Mapping[str, Any] = field(default_factory=dict)
    classifier: Weights | None = None


@dataclass(frozen=True)
class Method:
    """A pretraining method.

    `content` names by hash what the settings point to (a weights file, a dataset), so that a change of it
    changes the fingerprint; it raises `UserError` when that cannot be reached, and is called by `plan`.
    `make` gets the settings, the store, and the key under which it may keep checkpoints there.
    """

    settings: type[MethodSettings]
    content: Callable[[Any], Mapping[str, str]]
    make: Callable[[Any, Store, str], Made]


methods: Catalog[Method] = Catalog("method", "methods")


def native_input(architecture: str) -> tuple[int, tuple[float, ...], tuple[float, ...], str]:
    """Image size, mean, std and licence that timm states for an architecture's weights; our choice for other ones."""
    if architecture in native_architectures():
        return 64, (0.5,) * 3, (0.5,) * 3, "unknown"
    config = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    if config is None:
        return 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "unknown"
    return config.input_size[-1], tuple(config.mean), tuple(config.std), config.license or "unknown"
