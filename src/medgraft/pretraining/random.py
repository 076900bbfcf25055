"""Method `random`: no pretraining, the baseline that every other one must beat. One draw, from its own seed."""

from collections.abc import Mapping

from pydantic import Field

from medgraft.networks.backbones import check_architecture, create_backbone, enliven
from medgraft.networks.initialization import Origin
from medgraft.pretraining.method import Made, Method, MethodSettings, methods, native_input
from medgraft.seeds import derive
from medgraft.store import Store


class RandomSettings(MethodSettings):
    """Which draw."""

    seed: int = Field(0, ge=0, description="Seed of the draw.")


def content(settings: RandomSettings) -> Mapping[str, str]:
    """Nothing outside the settings; raises `UserError` for an unknown architecture."""
    check_architecture(settings.architecture, settings.volumes)
    return {}


def make(settings: RandomSettings, store: Store, key: str) -> Made:
    """The architecture's own random initialization, with all its residual branches at work, see `enliven`."""
    del store, key
    native, mean, std, _ = native_input(settings.architecture)
    size = settings.image_size or native
    seed = derive("random", settings.architecture, settings.seed)
    backbone = enliven(create_backbone(settings.architecture, size, seed, settings.volumes))
    told = {"licence": "none needed", "source": "random draw"}
    origin = Origin("random", settings.architecture, size, mean, std, **told, volumes=settings.volumes)
    return Made(origin, dict(backbone.state_dict()))


methods.add("random", Method(RandomSettings, content, make))
