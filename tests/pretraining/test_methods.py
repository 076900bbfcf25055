"""Initializations: real published weights, local files, the hub by a stand-in cache, and refusals."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medgraft.errors import UserError
from medgraft.networks.backbones import create_backbone
from medgraft.networks.initialization import read_initialization, write_initialization
from medgraft.pretraining import methods
from medgraft.pretraining.published import PublishedSettings
from medgraft.pretraining.weights import resolve_weights
from medgraft.store import Store


def made(settings: dict[str, object], tmp_path: Path) -> tuple[dict[str, torch.Tensor], object]:
    method = methods.get(str(settings["method"]))
    checked = method.settings(**settings)
    method.content(checked)
    result = method.make(checked, Store(str(tmp_path)), "key")
    return dict(result.weights), result.origin


def test_the_packaged_weights_fit_exactly_and_say_whose_they_are(tmp_path: Path) -> None:
    weights, origin = made({"method": "published", "architecture": "tf_efficientnet_lite0"}, tmp_path)
    assert weights.keys() == create_backbone("tf_efficientnet_lite0", 224).state_dict().keys()
    assert (origin.licence, origin.mean, origin.image_size) == ("Apache-2.0", (0.5, 0.5, 0.5), 224)  # type: ignore[attr-defined]  # an Origin
    # ImageNet statistics, not a random draw: the stem's running variance is far from the initial ones.
    assert not torch.allclose(weights["bn1.running_var"], torch.ones(32), atol=0.5)


def test_a_local_file_with_its_classifier_is_taken_without_it(tmp_path: Path) -> None:
    state = dict(create_backbone("resnet18", 224, 3).state_dict())
    file = tmp_path / "mine.safetensors"
    save_file(state | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, file)
    found = resolve_weights("resnet18", str(file), 224)
    assert found.weights.keys() == state.keys()
    assert all(torch.equal(found.weights[k], state[k]) for k in state)


@pytest.mark.parametrize(
    ("weights", "message"),
    [("absent.safetensors", "does not exist"), ("model.pth", "not .safetensors"), ("package", "tf_efficientnet_lite0")],
)
def test_weights_out_of_reach_are_refused(weights: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"pickle")
    place = weights if weights == "package" else str(tmp_path / weights)
    settings = PublishedSettings(method="published", architecture="resnet18", weights=place)
    with pytest.raises(UserError, match=message):
        methods.get("published").content(settings)


def test_the_hub_is_read_through_its_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The hub's cache layout, filled by hand: the real client reads it, no network needed.
    # https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    repository = tmp_path / "models--timm--resnet18.a1_in1k"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    state = dict(create_backbone("resnet18", 224, 4).state_dict())
    save_file(state, snapshot / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = resolve_weights("resnet18.a1_in1k", "hub", 224)
    assert torch.equal(found.weights["conv1.weight"], state["conv1.weight"])
    assert found.source == "huggingface.co/timm/resnet18.a1_in1k"
    with pytest.raises(UserError, match="cannot be fetched"):
        resolve_weights("resnet34.a1_in1k", "hub", 224)


def test_a_published_classifier_comes_along_to_tell_its_classes(tmp_path: Path) -> None:
    state = dict(create_backbone("resnet18", 64, 3).state_dict())
    weight, bias = torch.randn(5, 512), torch.randn(5)
    file = tmp_path / "mine.safetensors"
    save_file(state | {"fc.weight": weight, "fc.bias": bias}, file)
    method = methods.get("published")
    settings = PublishedSettings(method="published", architecture="resnet18", weights=str(file), image_size=64)
    made = method.make(settings, Store(str(tmp_path / "store")), "key")
    assert made.classifier is not None
    (tmp_path / "written").mkdir()
    write_initialization(tmp_path / "written", made.origin, dict(made.weights), "1" * 32, {}, made.classifier)
    classifier = read_initialization(tmp_path / "written").classifier
    assert classifier is not None
    assert torch.equal(classifier["weight"], weight)
    assert torch.equal(classifier["bias"], bias)
