"""The guides say what works: their blocks of settings are accepted, their files exist, their commands are ours."""

import re
from pathlib import Path

import pytest
import yaml

from medgraft.cli import app
from medgraft.data.readers import readers

ROOT = Path(__file__).parents[1]
GUIDES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
READERS = re.findall(r"```yaml\n(type: .*?)```", (ROOT / "docs" / "data.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", READERS)
def test_reader_settings_in_the_guide_are_accepted(block: str) -> None:
    raw = yaml.safe_load(block)
    assert readers.get(raw["type"]).settings(**raw).type == raw["type"]


def test_every_reader_is_in_the_guide() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in readers.names() if f"`{name}`" not in text and f"type: {name}\n" not in text] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_lead_somewhere(guide: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", guide.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (guide.parent / target).exists(), target


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_commands_exist(guide: Path) -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    used = set(re.findall(r"^\s*medgraft ([a-z]+)", guide.read_text(encoding="utf-8"), re.MULTILINE))
    assert used <= known
