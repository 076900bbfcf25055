"""A strategy from an installed package: the one that CONTRIBUTING shows."""

import re
from pathlib import Path

import pytest
import torch
from tests.transfer.studies import initialization, study_run

from medgraft.catalog import Catalog
from medgraft.transfer import Strategy

ROOT = Path(__file__).parents[2]


def installed(folder: Path) -> None:
    """What pip leaves of a package with that file and that entry point."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Add a strategy") :]
    code, toml = re.findall(r"```(?:python|toml)\n(.*?)```", section, re.DOTALL)
    point = re.search(r"slow = \"(.+)\"", toml)
    assert point is not None
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").touch()
    (folder / "my_package" / "slow.py").write_text(code, encoding="utf-8")
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medgraft.strategies]\nslow = {point[1]}\n")


def test_the_strategy_that_contributing_shows_is_found_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    installed(packages)
    monkeypatch.syspath_prepend(packages)
    catalog: Catalog[Strategy] = Catalog("strategy", "strategies")
    assert "slow" in catalog.names()
    strategy = catalog.get("slow")
    scratch = initialization("scratch")
    run = study_run(tmp_path, "binary", [scratch], [], epochs=2)
    settings = strategy.settings(strategy="slow", initialization="scratch")  # type: ignore[call-arg]  # its own key
    assert strategy.fit is not None
    after = strategy.fit(run, settings).network.backbones[0].state_dict()["conv_stem.weight"]
    moved = (after - scratch.weights["conv_stem.weight"]).abs().max()
    assert 0 < moved < 1e-3  # Adam's steps are as long as the rate: 8 of at most 1e-5
    assert not torch.equal(after, scratch.weights["conv_stem.weight"])
