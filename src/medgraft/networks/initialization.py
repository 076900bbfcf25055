"""The initialization artifact: backbone weights in safetensors, and a card that says whose they are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from medgraft.artifacts import Card, file_hash, read_card, write_card
from medgraft.errors import UserError
from medgraft.networks.assembly import BackboneSpec
from medgraft.networks.backbones import Volumes, Weights

WEIGHTS = "weights.safetensors"
CLASSIFIER = "classifier.safetensors"
EXPOSED = "exposed.json"  # HMAC ids of the patients the weights were trained on, where there are any


@dataclass(frozen=True)
class Origin:
    """What an initialization is: network, input it expects, and where the weights come from.

    `image_size` in pixels; `mean` and `std` of RGB in [0, 1]; `licence` and `source` as their publisher states
    them, "unknown" where they do not; `volumes`: how the network came to take volumes, None for images.
    """

    method: str
    architecture: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    source: str
    volumes: Volumes | None = None

    @property
    def backbone(self) -> BackboneSpec:
        """The whole backbone, and what it expects."""
        return BackboneSpec(self.architecture, self.image_size, self.mean, self.std, self.volumes)


@dataclass(frozen=True)
class Initialization:
    """An initialization artifact, read.

    `classifier`: `weight` [Z, features] and `bias` [Z] of the softmax that its Z classes were learned with, where there
    was one; nothing is transferred of it, but it tells how far its classes foretell others (`medgraft rank`).
    """

    name: str
    origin: Origin
    weights: Weights
    fingerprint: str
    card: Card
    classifier: Weights | None = None


def write_initialization(
    folder: Path,
    origin: Origin,
    weights: Weights,
    print_: str,
    made_from: dict[str, str],
    classifier: Weights | None = None,
    **facts: object,
) -> None:
    """Write weights and card into an empty folder."""
    hashes: dict[str, str | None] = {"sha256": _save(weights, folder / WEIGHTS), "classifier_sha256": None}
    if classifier is not None:
        hashes["classifier_sha256"] = _save(classifier, folder / CLASSIFIER)
    facts = asdict(origin) | hashes | facts
    write_card(folder, "initialization", print_, made_from, **facts)


def read_initialization(folder: Path) -> Initialization:
    """Read an initialization; raises `UserError` when it is of another kind or its weights were changed."""
    card = read_card(folder, "initialization")
    for name, hash_ in ((WEIGHTS, card["sha256"]), (CLASSIFIER, card["classifier_sha256"])):
        if hash_ is not None and (not (folder / name).is_file() or file_hash(folder / name) != hash_):
            raise UserError(f"{folder / name} is not the file its card describes; run `medgraft pretrain` again")
    raw: dict[str, Any] = {key: card[key] for key in Origin.__dataclass_fields__}
    raw |= {key: tuple(raw[key]) for key in ("mean", "std")}
    classifier = load_file(folder / CLASSIFIER) if card["classifier_sha256"] else None
    return Initialization(
        folder.name, Origin(**raw), load_file(folder / WEIGHTS), card["fingerprint"], card, classifier
    )


def _save(weights: Weights, path: Path) -> str:
    save_file({key: value.detach().cpu().contiguous() for key, value in weights.items()}, path)
    return file_hash(path)
