"""Method `supervised`: the whole network trained on the labels of another dataset artifact."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from medgraft.data.dataset import dataset_card
from medgraft.data.overlap import exposure
from medgraft.errors import UserError
from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.backbones import check_architecture, create_backbone
from medgraft.networks.heads import Linear
from medgraft.networks.initialization import Origin
from medgraft.networks.network import NetworkSpec, new_network
from medgraft.params import Study
from medgraft.pretraining.method import Made, Method, MethodSettings, methods, native_input
from medgraft.pretraining.weights import resolve_weights, weights_content
from medgraft.seeds import derive
from medgraft.store import Store
from medgraft.training.data import training_data
from medgraft.training.fitting import Compute, fit
from medgraft.training.pixels import open_pixels
from medgraft.training.recipe import recipe
from medgraft.training.window import window


class SupervisedSettings(MethodSettings):
    """The source set and how it is trained on."""

    dataset: str = Field(description="Folder of the source set's dataset artifact (from another `medgraft ingest`).")
    weights: str | None = Field(
        None, description="Where training on the source set starts: nothing (random), `package`, `hub` or a file."
    )
    epochs: int = Field(30, ge=1, description="Passes over the source set's training images.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    study: Study = Field(Study(), description="Batch size, ceiling, augmentation: as in `study`.")
    seed: int = Field(0, ge=0, description="Seed of the training run.")


def content(settings: SupervisedSettings) -> Mapping[str, str]:
    """The source set's fingerprint; raises `UserError` when it is no dataset artifact, or not of what is trained on."""
    check_architecture(settings.architecture, settings.volumes)
    card = dataset_card(Path(settings.dataset))
    if (card["dimensions"] == 3) != (settings.volumes is not None):
        raise UserError(
            f"the source set {settings.dataset} holds {'volumes' if card['dimensions'] == 3 else 'images'}; "
            + ("add `volumes: acs`" if card["dimensions"] == 3 else "leave `volumes` out")
        )
    found = {"dataset": str(card["fingerprint"])}
    if settings.weights is None:
        return found
    return found | dict(weights_content(settings.architecture, settings.weights, settings.volumes))


def make(settings: SupervisedSettings, store: Store, key: str) -> Made:
    """Train on the source set's train split, choose the best state on its validation split; test is not touched."""
    compute = Compute(settings.study.device, settings.study.workers)
    data = training_data(Path(settings.dataset))
    native, mean, std, _ = native_input(settings.architecture)
    size = settings.image_size or native
    seed = derive("supervised", settings.seed)
    if settings.weights:
        found = resolve_weights(settings.architecture, settings.weights, size, settings.volumes)
        start, mean, std = found.weights, found.mean or mean, found.std or std
    else:
        start = dict(create_backbone(settings.architecture, size, seed, settings.volumes).state_dict())
    backbone = BackboneSpec(settings.architecture, size, mean, std, settings.volumes)
    values = window(data.folder)
    spec = NetworkSpec((backbone,), data.classes, "linear", data.task, values)
    pixels = open_pixels(data.folder, size, values, compute.cache)
    train = data.images(data.fraction(1.0, seed), pixels)
    plan = recipe(settings.study, len(train.rows), settings.epochs, settings.learning_rate, settings.weight_decay, seed)
    fitted = fit(
        new_network(spec, [start], seed),
        plan,
        train,
        data.images(data.validation, pixels),
        title=f"supervised on {data.card['name']}",
        store=store,
        key=key,
        compute=compute,
    )
    origin = Origin(
        "supervised",
        settings.architecture,
        size,
        mean,
        std,
        licence=str(data.card.get("licence", "unknown")),
        source=f"trained on dataset {data.card['name']} ({data.card['fingerprint']})",
        volumes=settings.volumes,
    )
    facts = {"validation_loss": fitted.validation_loss} | fitted.facts
    exposed = exposure(Path(settings.dataset), ["train", "validation"])
    last = fitted.network.head[-1]
    softmax = isinstance(last, Linear) and data.task != "multilabel"
    classifier = dict(last.state_dict()) if softmax else None
    return Made(origin, dict(fitted.network.backbones[0].state_dict()), facts, exposed, classifier)


methods.add("supervised", Method(SupervisedSettings, content, make))
