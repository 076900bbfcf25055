"""Strategies on volumes: 2D weights by either conversion, cut, slimmed or joined; they learn, and are served alike."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tests.transfer.studies import initialization, study_run

from medgraft.data.dataset import read_images
from medgraft.data.stored import decode_stored
from medgraft.networks.export import INPUT, export
from medgraft.training.losses import total_loss
from medgraft.training.pixels import open_pixels
from medgraft.transfer import strategies

SETTINGS: dict[str, dict[str, Any]] = {
    "linear": {"initialization": "acs"},
    "full": {"initialization": "inflated", "learning_rate": 3e-3},
    "truncated": {"initialization": "acs", "cut": "blocks.2.0", "learning_rate": 3e-3},
    "transfusion": {"initialization": "resnet", "cut": "layer2.0", "learning_rate": 3e-3},
    "layerwise": {"initialization": "acs", "cut": "blocks.1.0", "learning_rate": 3e-3},
    "concatenation": {"initializations": ["acs", "inflated"]},
}

FROZEN = {"linear": ("",), "layerwise": ("conv_stem", "bn1", "blocks.0", "blocks.1.0")}  # what of `acs` stays as it was


@pytest.mark.parametrize("name", SETTINGS)
def test_a_brighter_block_is_found(name: str, tmp_path: Path) -> None:
    sources = [
        initialization("acs", size=16, volumes="acs"),
        initialization("inflated", seed=2, size=16, volumes="inflated"),
        initialization("resnet", "resnet18", seed=3, size=16, volumes="inflated"),
    ]
    given = study_run(tmp_path, "binary", sources, [], epochs=4, three=True)
    strategy = strategies.get(name)
    assert strategy.fit is not None
    fitted = strategy.fit(given, strategy.settings(strategy=name, **SETTINGS[name]))
    network = fitted.network
    raw = dict(read_images(given.data.folder, ["validation"]))
    volumes = torch.cat([decode_stored(raw[i], 3) for i in given.data.validation["image_id"]])
    logits = network.predict(volumes)
    truth = given.data.validation["label"].to_numpy()
    loss, count = total_loss(logits.double(), torch.from_numpy(truth.astype(np.int64)))
    assert fitted.validation_loss == pytest.approx(float(loss) / count, rel=0.01)  # of pixels rounded to 8 bits
    if name in FROZEN:
        for key, value in network.backbones[0].state_dict().items():
            if key.startswith(FROZEN[name]):
                assert torch.equal(value, sources[0].weights[key]), key
    if name in ("full", "truncated", "transfusion"):  # random layers left as they are tell nothing of one voxel
        assert roc_auc_score(truth, (logits[:, 1] - logits[:, 0]).numpy()) > 0.9
    if name == "concatenation":  # of both conversions; an export takes long
        export(network, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        served = session.run(None, {INPUT: volumes[:3].numpy()})[0]
        np.testing.assert_allclose(served, logits[:3].numpy(), atol=1e-4)


def test_volumes_of_more_bits_are_kept_finer_than_by_eight(tmp_path: Path) -> None:
    given = study_run(tmp_path, "binary", [initialization("acs", size=16, volumes="acs")], [], three=True)
    eight = open_pixels(given.data.folder, 12, given.window, tmp_path / "pixels").images
    wide = open_pixels(given.data.folder, 12, (-1000.0, 1000.0), tmp_path / "pixels").images
    assert (given.window, eight.dtype.name, wide.dtype.name) == ((0.0, 255.0), "uint8", "float16")
    np.testing.assert_allclose(wide.astype(np.float64), (eight + 1000.0) / 2000 * 255, rtol=1e-3)
