"""The house's rules: which room may import which, what a stage's code list must cover, file sizes, names."""

import ast
import re
import tokenize
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from medgraft.code_version import PACKAGE, source_files
from medgraft.stages import STAGES, rank, validate

ROOT = Path(__file__).parents[1]
BASE = {"errors", "seeds", "artifacts", "catalog", "params", "loading", "store", "code_version", "charts"}
ALLOWED = {
    "data": set(),
    "networks": {"data"},
    "training": {"data", "networks"},
    "pretraining": {"training", "networks", "data"},
    "transfer": {"training", "networks", "data"},
    "evaluation": {"networks", "data"},
    "registry": {"networks", "data", "evaluation"},
    "stages": {"pretraining", "transfer", "evaluation", "registry", "training", "networks", "data"},
    "cli": {"stages", "data", "evaluation"},
}


def imported(path: Path) -> set[str]:
    """Dotted names of every module that a file imports, at any depth of it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    """The room of a source file, or its own name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    allowed = BASE | {room(path)} | ALLOWED.get(room(path), set())
    if room(path) in BASE:
        allowed = BASE
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "medgraft" and len(parts) > 1:
            assert parts[1] in allowed, f"{path.relative_to(PACKAGE)} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_engine_in_the_package(path: Path) -> None:
    engines = {"kfp", "dvc", "kfp_kubernetes", "kubernetes"}
    assert not {name.split(".")[0] for name in imported(path)} & engines
    if room(path) not in ("registry",):
        assert not {n for n in imported(path) if n.split(".")[0] == "mlflow"}


@cache
def closure(path: Path) -> frozenset[Path]:
    """Every file of the package that importing `path` brings in."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for name in imported(current):
            if name.split(".")[0] != "medgraft":
                continue
            base = PACKAGE.joinpath(*name.split(".")[1:])
            candidates = (base.with_suffix(".py"), base / "__init__.py")
            waiting += [c for c in candidates if c.is_file()]
    return frozenset(found)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stages_code_covers_all_it_imports(stage: str) -> None:
    covered = source_files(STAGES[stage].code) | {PACKAGE / "__init__.py"}
    needed = closure(PACKAGE / "stages" / f"{stage}.py")
    assert {str(p.relative_to(PACKAGE)) for p in needed - covered} == set()


@pytest.mark.parametrize(("command", "besides"), [(validate, set()), (rank, {"evaluation"})])
def test_so_does_that_of_commands_beside_the_stages(command: ModuleType, besides: set[str]) -> None:
    covered = source_files(command.CODE) | {PACKAGE / "__init__.py"}
    needed = {p for p in closure(Path(str(command.__file__))) if room(p) not in besides}
    assert {str(p.relative_to(PACKAGE)) for p in needed - covered} == set()


def test_files_are_small() -> None:
    folders = ("src", "tests", "benchmarks", "components", "pipelines", "scripts", "docs", "recipes")
    kinds = {".py", ".html", ".md", ".css", ".js"}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    lines = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert {path: count for path, count in lines.items() if count > 300} == {}


REASON = re.compile(r"# (noqa: [A-Z]+\d+(, [A-Z]+\d+)*  \(.+\)|type: ignore\[[a-z-]+\]  # .+)")


def test_what_is_excused_has_a_reason() -> None:
    folders = ("src", "tests", "benchmarks", "components", "pipelines", "scripts")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        with path.open("rb") as file:
            comments = [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        for comment in comments:
            if comment.string.startswith(("# noqa", "# type: ignore")):
                assert REASON.fullmatch(comment.string), f"{path.relative_to(ROOT)}:{comment.start[0]} {comment.string}"


def test_nothing_reads_or_writes_pickles() -> None:
    forbidden = {"pickle", "joblib", "cloudpickle", "dill"}
    for path in SOURCES:
        assert not {name.split(".")[0] for name in imported(path)} & forbidden, path
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "torch.load":
                assert "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords], path
