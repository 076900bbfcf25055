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
    """An initialization artifact, read."""

    name: str
    origin: Origin
    weights: Weights
    fingerprint: str
    card: Card


def write_initialization(
    folder: Path, origin: Origin, weights: Weights, print_: str, made_from: dict[str, str], **facts: object
) -> None:
    """Write weights and card into an empty folder."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
    save_file(tensors, folder / WEIGHTS)
    facts = asdict(origin) | {"sha256": file_hash(folder / WEIGHTS)} | facts
    write_card(folder, "initialization", print_, made_from, **facts)


def read_initialization(folder: Path) -> Initialization:
    """Read an initialization; raises `UserError` when it is of another kind or its weights were changed."""
    card = read_card(folder, "initialization")
    if file_hash(folder / WEIGHTS) != card["sha256"]:
        raise UserError(f"{folder / WEIGHTS} is not the file its card describes; run `medgraft pretrain` again")
    raw: dict[str, Any] = {key: card[key] for key in Origin.__dataclass_fields__}
    raw |= {key: tuple(raw[key]) for key in ("mean", "std")}
    return Initialization(folder.name, Origin(**raw), load_file(folder / WEIGHTS), card["fingerprint"], card)
