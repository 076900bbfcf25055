"""The recipes that rerun papers, on stand-ins for their sets: what they name exists, fits, and is read as they say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.recipes_data import SETS, write_weights

from medgraft.artifacts import read_json
from medgraft.networks.network import Network, load_network
from medgraft.stages import ingest, plan, pretrain, transfer
from medgraft.stages.resolution import resolve
from medgraft.store import Store

RECIPES = Path(__file__).parents[1] / "recipes"
SSL = ["ssl_transfer_pcam", "ssl_transfer_aptos", "ssl_transfer_kermany", "ssl_transfer_nih"]
TRUNCATED = ["truncated_bimcv", "truncated_ham10000"]
SIZE = 32  # pixels, of images and of the networks for them
WEIGHTS = {
    "simclr_resnet50": "resnet50",
    "swav_resnet50": "resnet50",
    "imagenet": "resnet50",
    "dino": "vit_small_patch16_224",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in files of the names that the recipes have, and of those they take from the hub."""
    folder = tmp_path_factory.mktemp("weights")
    write_weights(folder, WEIGHTS, SIZE)
    return folder


def _read(recipe: str) -> Any:
    return yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8"))


def _workspace(folder: Path, recipe: str, weights: Path, server: str) -> list[str]:
    """The recipe's set and weights where it says; the overrides that make it quick."""
    params = _read(recipe)
    source = Path(params["dataset"]["source"])
    SETS[source.name](folder / source)
    (folder / "weights").symlink_to(weights)
    sizes = [f"initializations.{name}.image_size={SIZE}" for name in params["initializations"]]
    return [*sizes, "study.batch_size=2", f"registration.tracking_uri={server}"]


def _holds_what_the_recipe_says(card: dict[str, Any], recipe: str, images: tuple[int, int, int]) -> None:
    dataset = _read(recipe)["dataset"]
    assert (card["name"], card["task"], card["classes"]) == (dataset["name"], dataset["task"], dataset["classes"])
    assert tuple(card["splits"][name]["images"] for name in ("train", "validation", "test")) == images
    others = [text for text in card["warnings"] if "has no positive image in" not in text]  # stand-ins are small
    assert len(others) == dataset.get("ungrouped", False)


@pytest.mark.parametrize(
    ("recipe", "larger", "images", "scored"),
    [
        # A stand-in of few patients needs larger splits for ten of a class.
        ("truncated_ham10000", ["split.validation=0.3", "split.test=0.3"], (224, 168, 168), 7),
        ("ssl_transfer_aptos", [], (180, 60, 60), 5),
        ("ssl_transfer_kermany", [], (216, 24, 40), 1),
        ("ssl_transfer_nih", ["split.validation=0.5"], (120, 120, 240), 4),
    ],
)
def test_a_recipe_is_planned_and_its_set_ingested(
    recipe: str,
    larger: list[str],
    images: tuple[int, int, int],
    scored: int,
    weights: Path,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    card = _planned_and_ingested(tmp_path, recipe, _workspace(tmp_path, recipe, weights, server) + larger)
    _holds_what_the_recipe_says(card, recipe, images)
    assert len(card["scored"]) == scored


def _planned_and_ingested(folder: Path, recipe: str, overrides: Sequence[str]) -> dict[str, Any]:
    """For one short run; the card of the dataset."""
    quick = ["study.fractions=[1.0]", "study.seeds=[0]", "study.max_images=8", "study.device=cpu"]
    made, store = folder / "artifacts", Store(str(folder / ".medgraft/store"))
    plan.run(RECIPES / f"{recipe}.yaml", [*overrides, *quick], made / "plan", say=lambda line: None)
    ingest.run(made / "plan", made / "dataset", made / "sealed", store)
    card: dict[str, Any] = read_json(made / "dataset/card.json")
    return card


def _fitted(folder: Path, sources: Sequence[str], candidate: str) -> Network:
    """The network of a candidate, fitted after its sources were made."""
    planned, made = folder / "artifacts/plan", folder / "artifacts/initializations"
    store = Store(str(folder / ".medgraft/store"))
    for source in sources:
        pretrain.run(planned, source, made / source, store)
    out = folder / "artifacts/candidates" / candidate
    transfer.run(planned, candidate, folder / "artifacts/dataset", made, out, store)
    return load_network(out)


def test_a_truncated_network(weights: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = _workspace(tmp_path, "truncated_bimcv", weights, server)
    overrides.append("initializations.imagenet.weights=weights/imagenet.safetensors")
    monkeypatch.chdir(tmp_path)
    card = _planned_and_ingested(tmp_path, "truncated_bimcv", overrides)
    _holds_what_the_recipe_says(card, "truncated_bimcv", (192, 48, 60))
    network = _fitted(tmp_path, ["imagenet"], "truncated_block1")
    assert sum(p.numel() for p in network.backbones.parameters()) == 225_344  # unit 4 of ResNet-50


def test_weights_in_files(weights: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = _workspace(tmp_path, "ssl_transfer_pcam", weights, server)
    overrides.append("initializations.dino.weights=weights/dino.safetensors")
    monkeypatch.chdir(tmp_path)
    card = _planned_and_ingested(tmp_path, "ssl_transfer_pcam", overrides)
    _holds_what_the_recipe_says(card, "ssl_transfer_pcam", (80, 48, 48))
    network = _fitted(tmp_path, ["simclr", "swav", "dino"], "linear_dino")  # of the three the quickest to export
    assert network.spec.backbones[0].architecture == "vit_small_patch16_224.dino"
    assert read_json(tmp_path / "artifacts/initializations/swav/card.json")["licence"] == "CC-BY-NC-4.0"


@pytest.mark.parametrize("recipe", SSL)
def test_every_source_is_frozen_and_fine_tuned_and_three_are_joined(recipe: str) -> None:
    found = resolve(RECIPES / f"{recipe}.yaml", [])
    kinds = [(c.strategy, tuple(c.sources)) for c in found.candidates.values()]
    alone = [(strategy, (name,)) for strategy in ("linear", "full") for name in found.initializations]
    joins = ("dvme", "concatenation", "mean_probability", "best_source")
    assert sorted(kinds) == sorted([*alone, *((join, ("simclr", "swav", "dino")) for join in joins)])


@pytest.mark.parametrize("recipe", TRUNCATED)
def test_every_strategy_of_the_paper_at_every_block(recipe: str) -> None:
    candidates = resolve(RECIPES / f"{recipe}.yaml", []).params.candidates.values()
    tried = {(c["strategy"], c["cut"]) for c in candidates if "cut" in c}
    blocks = ("layer1.2", "layer2.3", "layer3.5")
    assert tried >= {(s, cut) for s in ("layerwise", "transfusion", "truncated") for cut in blocks}
    assert {("layerwise", "stem"), ("truncated", "layer3.3"), ("truncated", "search")} <= tried
    assert {c["weight_decay"] for c in candidates if "epochs" in c} == {0}  # AdamW without it is the paper's Adam


def test_images_are_of_224_pixels_and_weights_have_a_licence() -> None:
    for recipe in SSL + TRUNCATED:
        found = resolve(RECIPES / f"{recipe}.yaml", []).params.initializations
        assert {settings["image_size"] for settings in found.values()} == {224}, recipe
        files = {s["weights"] for s in found.values() if s["method"] == "published"}
        assert files <= {"hub", "weights/simclr_resnet50.safetensors", "weights/swav_resnet50.safetensors"}
        assert all(s["licence"] for s in found.values() if s["method"] == "published"), recipe
