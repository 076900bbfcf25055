"""The strategy that CONTRIBUTING shows: in the house, and from an installed package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.transfer.studies import initialization, study_run

import medgraft
from medgraft.catalog import Catalog
from medgraft.transfer import Strategy

ROOT = Path(__file__).parents[2]
ADDED, NAMED = 'strategies.add("slow", Strategy(SlowSettings, fit))', "slow = Strategy(SlowSettings, fit)"


def shown() -> tuple[str, str]:
    """The file, and the entry point."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code, toml = re.findall(r"```(?:python|toml)\n(.*?)```", text[text.index("## Add a strategy") :], re.DOTALL)
    assert NAMED in text
    point = re.search(r"slow = \"(.+)\"", toml)
    assert point is not None
    return code, point[1]


def installed(folder: Path) -> None:
    """What pip leaves of a package with that file and that entry point."""
    code, point = shown()
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").touch()
    (folder / "my_package" / "slow.py").write_text(code.replace(ADDED, NAMED), encoding="utf-8")
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medgraft.strategies]\nslow = {point}\n")


def test_the_strategy_that_contributing_shows_is_one_of_the_house(tmp_path: Path) -> None:
    house = tmp_path / "medgraft"
    shutil.copytree(Path(medgraft.__file__).parent, house, ignore=shutil.ignore_patterns("__pycache__"))
    (house / "transfer/slow.py").write_text(shown()[0], encoding="utf-8")
    opening = house / "transfer/__init__.py"
    opening.write_text(
        opening.read_text().replace("    mean_probability,\n    trans", "    mean_probability,\n    slow,\n    trans")
    )
    told = "from medgraft.transfer import slow, strategies; print(*strategies.names()); print(slow.__file__)"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True)
    names, file = done.stdout.splitlines()
    assert "slow" in names.split()
    assert Path(file).is_relative_to(tmp_path)


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
