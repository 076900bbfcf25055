"""Method `published`: weights that somebody else has trained and published."""

from collections.abc import Mapping

from pydantic import Field

from medgraft.networks.initialization import Origin
from medgraft.pretraining.method import Made, Method, MethodSettings, methods, native_input
from medgraft.pretraining.weights import resolve_weights, weights_content
from medgraft.store import Store


class PublishedSettings(MethodSettings):
    """Which weights."""

    weights: str = Field(
        "package",
        description="`package` (ImageNet weights installed with medgraft, for tf_efficientnet_lite0), `hub` (timm's "
        "own on the Hugging Face hub, needs a network), or the path of a .safetensors file.",
    )
    mean: tuple[float, float, float] | None = Field(None, description="RGB mean in [0, 1] the weights expect.")
    std: tuple[float, float, float] | None = Field(None, description="RGB deviation in [0, 1] the weights expect.")
    licence: str | None = Field(None, description="Licence of the weights, for the card.")


def content(settings: PublishedSettings) -> Mapping[str, str]:
    """The hash or the hub name of the weights; raises `UserError` when they cannot be reached."""
    return weights_content(settings.architecture, settings.weights, settings.volumes)


def make(settings: PublishedSettings, store: Store, key: str) -> Made:
    """The weights, fitted onto timm's backbone."""
    del store, key
    native, mean, std, licence = native_input(settings.architecture)
    found = resolve_weights(settings.architecture, settings.weights, settings.image_size or native, settings.volumes)
    origin = Origin(
        method="published",
        architecture=settings.architecture,
        image_size=settings.image_size or native,
        mean=settings.mean or found.mean or mean,
        std=settings.std or found.std or std,
        licence=settings.licence or found.licence or licence,
        source=found.source,
        volumes=settings.volumes,
    )
    return Made(origin, found.weights, classifier=found.classifier)


methods.add("published", Method(PublishedSettings, content, make))
