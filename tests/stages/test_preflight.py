"""What no candidate can do is told before anything is computed, all of it at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.tiny import tiny_params, tiny_source

from medgraft.errors import UserError
from medgraft.stages.preflight import check_reachable
from medgraft.stages.resolution import resolve


def test_cuts_and_widths_that_cannot_be_are_told_together(tmp_path: Path) -> None:
    params: dict[str, Any] = tiny_params(tiny_source(tmp_path / "phantoms"), "http://127.0.0.1:9")
    size = {"method": "random", "image_size": 32}
    params["initializations"] |= {
        "inception": size | {"architecture": "inception_v3", "image_size": 96},
        "volumes": size | {"architecture": "test_efficientnet", "volumes": "acs"},
    }
    params["candidates"] |= {
        "frozen": {"strategy": "layerwise", "initialization": "scratch", "cut": "blocks.9.9"},
        "cut": {"strategy": "truncated", "initialization": "scratch", "cut": "block.1.0"},
        "searched": {"strategy": "truncated", "initialization": "inception"},
        "slim": {"strategy": "transfusion", "initialization": "scratch", "cut": "blocks.1.0"},
        "joined": {"strategy": "dvme", "initializations": ["scratch", "volumes"]},
    }
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_reachable(resolve(file, []))
    said = str(caught.value)
    assert "candidates.frozen: there is no cut 'blocks.9.9'" in said
    assert "candidates.cut: there is no cut 'block.1.0' (did you mean 'blocks.1.0'?)" in said
    assert "candidates.searched: InceptionV3 cannot be cut" in said
    assert "candidates.slim: test_efficientnet cannot be slimmed" in said
    assert "candidates.joined: joins networks for images and for volumes" in said
    assert "candidates.probe" not in said
