"""Compiled YAML: the neutral pipeline and the components are committed, and checked to be fresh."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kfp import compiler

from medgraft.stages import STAGES
from pipelines.policy import Policy
from pipelines.study import study

ROOT = Path(__file__).parents[1]
NEUTRAL = ROOT / "pipelines" / "medgraft.yaml"


def compiled(thing: Callable[..., Any]) -> str:
    """The YAML of a pipeline or component; the same text every time."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "compiled.yaml")
        compiler.Compiler().compile(thing, str(path))
        return path.read_text(encoding="utf-8")


def compiled_study(policy: Policy | None) -> str:
    """The pipeline's IR; with a policy, the platform spec follows it in the same file."""
    return compiled(study(policy))


def committed() -> dict[Path, str]:
    """What every committed compiled file should hold."""
    components = {
        ROOT / "components" / name / "component.yaml": getattr(import_module(f"components.{name}.component"), name)
        for name in STAGES
    }
    return {NEUTRAL: compiled_study(None)} | {path: compiled(component) for path, component in components.items()}


def stale() -> list[Path]:
    """Committed files that differ from what the sources compile to."""
    return [
        path for path, text in committed().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
