"""Networks: golden sizes, exact round trips, weights that must fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.nets import HALF, net_spec

from medgraft.errors import UserError
from medgraft.networks.backbones import check_architecture, create_backbone, load_backbone
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.network import NetworkSpec, load_network, new_network, save_network
from medgraft.networks.preprocess import Preprocess
from medgraft.params import Task


def spec(architecture: str, size: int, classes: int = 2, task: Task = "binary") -> NetworkSpec:
    return net_spec(architecture, size, [str(c) for c in range(classes)], task)


def test_golden_size_of_resnet50() -> None:
    # 23.508 M parameters (all 17 units of arXiv 2106.05152) and 4.087 G MACs at 224 px; plus 2048 x 2 + 2 of the head
    network = new_network(spec("resnet50", 224), [dict(create_backbone("resnet50", 224).state_dict())], seed=0)
    assert parameter_count(network) == 23_508_032 + 2048 * 2 + 2
    assert round((mac_count(network) - 2048 * 2) / 1e9, 3) == 4.087


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("mobilenetv3_small_100", "multilabel"), ("vit_tiny_patch16_224", "binary"), ("resnet18", "ordinal")],
)
def test_round_trip_is_bit_exact(architecture: str, task: Task, tmp_path: Path) -> None:
    weights = dict(create_backbone(architecture, 64, 1).state_dict())
    network = new_network(spec(architecture, 64, 4, task), [weights], 3).eval()
    network.start_at(torch.tensor([0.3, -1.0, 2.0, 0.1]))
    network.take_back(torch.tensor([0.5, 0.0, -0.2, 1.0]))
    save_network(network, tmp_path)
    images = torch.randint(0, 256, (2, 50, 70, 3), dtype=torch.uint8)
    assert torch.equal(load_network(tmp_path).predict(images), network.predict(images))


def test_an_ordinal_head_has_one_score_and_its_thresholds() -> None:
    network = new_network(
        spec("resnet18", 32, 5, "ordinal"), [dict(create_backbone("resnet18", 32).state_dict())], seed=0
    )
    assert sum(p.numel() for p in network.head.parameters()) == 512 + 4
    assert mac_count(network) - mac_count(
        new_network(spec("resnet18", 32, 5), [network.backbones[0].state_dict()], 0)
    ) == (512 - 5 * 512)


def test_random_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = create_backbone("resnet18", 64, 5).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(2)
    again, other = create_backbone("resnet18", 64, 5).state_dict(), create_backbone("resnet18", 64, 6).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(UserError, match="not those of resnet34"):
        load_backbone("resnet34", 64, dict(create_backbone("resnet18", 64).state_dict()))


def test_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'resnet50'"):
        check_architecture("resnet5O")


def test_preprocess_resizes_as_pillow_does() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 90, 130, 3), dtype=torch.uint8, generator=generator)
    ours = Preprocess(48, (0.0,), (1.0,)).resize(image)[0].permute(1, 2, 0)
    theirs = Image.fromarray(image[0].numpy()).resize((48, 48), Image.Resampling.BILINEAR)
    assert (ours - torch.from_numpy(np.array(theirs)).float()).abs().max() <= 1.0
    assert torch.equal(
        Preprocess(16, HALF, HALF)(torch.zeros(1, 8, 8, 1, dtype=torch.uint8)), -torch.ones(1, 3, 16, 16)
    )


def test_attention_counts_in_macs() -> None:
    # By hand, ViT-Ti/16 at 224 px: 196 patches + cls, width 192, 12 blocks; torch's fused attention would count as 0.
    tokens, width, depth = 197, 192, 12
    patches = 196 * width * 16 * 16 * 3
    block = tokens * width * 12 * width + 2 * tokens * tokens * width
    network = new_network(
        spec("vit_tiny_patch16_224", 224), [dict(create_backbone("vit_tiny_patch16_224", 224).state_dict())], seed=0
    )
    assert mac_count(network) == patches + depth * block + width * 2
