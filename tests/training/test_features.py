"""The feature store: what the network's own preprocessing gives, once; never of other weights, never damaged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.transfer.studies import initialization, study_run
from torch.backends import cudnn

from medgraft.data.dataset import read_images
from medgraft.data.stored import decode_stored
from medgraft.errors import UserError
from medgraft.networks.assembly import assemble, transplant
from medgraft.networks.cuts import WHOLE, cuts
from medgraft.networks.network import EIGHT_BITS, make_preprocess
from medgraft.networks.taps import tapped
from medgraft.training import features
from medgraft.training.features import Features, open_features
from medgraft.training.fitting import Compute

SCRATCH = initialization("scratch", "resnet10t")


def opened(folder: Path, said: list[str], source: object = SCRATCH, places: tuple[str, ...] = (WHOLE,)) -> Features:
    run = study_run(folder, "binary", [SCRATCH], said)
    return open_features(source, run.data.folder, EIGHT_BITS, run.compute, places)  # type: ignore[arg-type]  # an Initialization


def test_features_are_those_of_the_truncated_network_on_the_stored_bytes(tmp_path: Path) -> None:
    spec = SCRATCH.origin.backbone
    places = [place.name for place in cuts(assemble(spec), spec.image_size)]
    run = study_run(tmp_path, "binary", [SCRATCH], [])
    store = open_features(SCRATCH, run.data.folder, EIGHT_BITS, run.compute, [*places, WHOLE])
    raw = dict(read_images(run.data.folder, ["validation"]))
    ids = run.data.validation["image_id"].to_list()
    inputs = torch.cat([make_preprocess(spec, EIGHT_BITS)(decode_stored(raw[i], 2)) for i in ids])
    for place in [*places, WHOLE]:
        cut = replace(spec, cut=None if place == WHOLE else place)
        with torch.inference_mode():
            expected = transplant(cut, SCRATCH.weights, 0).eval()(inputs).numpy()
        found = store.arrays[place][[store.rows[i] for i in ids]]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=place)


def test_it_is_made_once_and_only_what_is_missing(tmp_path: Path) -> None:
    said: list[str] = []
    first = opened(tmp_path, said).arrays[WHOLE].copy()
    assert said == ["features of scratch at the place 'whole'"]
    np.testing.assert_array_equal(opened(tmp_path, said).arrays[WHOLE], first)
    assert len(said) == 1
    opened(tmp_path, said, places=("layer1.0", WHOLE))
    assert said[1:] == ["features of scratch at the place 'layer1.0'"]


@pytest.mark.parametrize("damage", ["bit", "short", "facts"])
def test_a_damaged_store_is_made_anew(damage: str, tmp_path: Path) -> None:
    said: list[str] = []
    good = opened(tmp_path, said).arrays[WHOLE].copy()
    (data,) = tmp_path.glob("features/*/whole.npy")
    raw = bytearray(data.read_bytes())
    if damage == "bit":
        raw[-5] ^= 1
        data.write_bytes(bytes(raw))
    elif damage == "short":
        data.write_bytes(bytes(raw[:-8]))
    else:
        data.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(opened(tmp_path, said).arrays[WHOLE], good)
    assert len(said) == 2


def test_a_store_of_other_weights_is_never_used(tmp_path: Path) -> None:
    said: list[str] = []
    first = opened(tmp_path, said).arrays[WHOLE].copy()
    other = initialization("scratch", "resnet10t", seed=9)  # the same name, network and fingerprinted settings
    assert not np.allclose(opened(tmp_path, said, other).arrays[WHOLE], first)
    assert len(said) == 2


def test_another_preprocessing_or_window_is_another_store(tmp_path: Path) -> None:
    said: list[str] = []
    run = study_run(tmp_path, "binary", [SCRATCH], said)
    origin = SCRATCH.origin
    others = [
        (origin, EIGHT_BITS),
        (replace(origin, image_size=24), EIGHT_BITS),
        (replace(origin, mean=(0.4, 0.5, 0.5)), EIGHT_BITS),
        (replace(origin, std=(0.3, 0.25, 0.25)), EIGHT_BITS),
        (origin, (0.0, 200.0)),  # of volumes; images are seen as they are
    ]
    found = []
    for own, window in others * 2:
        store = open_features(replace(SCRATCH, origin=own), run.data.folder, window, run.compute)
        found.append(store.examples(run.data, run.data.validation).whole)
    assert len([line for line in said if line.startswith("features of")]) == len(others)
    for one, (first, second) in enumerate(zip(found, found[len(others) :], strict=False)):
        assert np.array_equal(first, second)
        assert one == 4 or not any(np.allclose(first, other) for other in found[:one])


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = dict(SCRATCH.weights)
    weights["layer4.0.bn2.weight"] = torch.full_like(weights["layer4.0.bn2.weight"], float("inf"))
    broken = replace(SCRATCH, name="broken", weights=weights, card={"sha256": "broken"})
    run = study_run(tmp_path, "binary", [SCRATCH], [])
    with pytest.raises(UserError, match=r"features of initialization broken at 'whole' are not finite for \d+ of"):
        open_features(broken, run.data.folder, EIGHT_BITS, Compute("cpu", cache=tmp_path / "pixels"), [WHOLE])
    assert not [path for path in tmp_path.glob("features/*/*") if path.is_file()]


def test_the_pass_is_in_full_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounding: list[bool] = []

    def noting(*given: Any) -> dict[str, torch.Tensor]:
        rounding.append(cudnn.allow_tf32)
        return tapped(*given)

    monkeypatch.setattr(features, "tapped", noting)
    before = cudnn.allow_tf32
    opened(tmp_path, [])
    assert rounding
    assert not any(rounding)
    assert cudnn.allow_tf32 == before
