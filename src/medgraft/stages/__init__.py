"""The stage table: what each stage reads and writes, and which rooms of the package it runs.

dvc.yaml, components/ and pipelines/ are held against this table by a test.
"""

from dataclasses import dataclass

BASE = (
    "artifacts.py",
    "catalog.py",
    "code_version.py",
    "errors.py",
    "params.py",
    "seeds.py",
    "store.py",
    "stages/__init__.py",
    "stages/agreement.py",
    "stages/running.py",
)


@dataclass(frozen=True)
class Stage:
    """One step of the DAG.

    `reads` and `writes` name artifacts; `item` is the file below the plan that holds the stage's own settings
    (`{name}` for a stage that runs once an initialization or a candidate); `each` is what it runs once for.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    item: str | None = None
    each: str | None = None
    rooms: tuple[str, ...] = ()

    @property
    def code(self) -> tuple[str, ...]:
        """Source files and folders, relative to the package, that decide the stage's results."""
        return (*BASE, f"stages/{self.name}.py", *self.rooms)


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "plan",
            reads=(),
            writes=("plan",),
            rooms=(
                "charts.py",
                "loading.py",
                "stages/estimating.py",
                "stages/preflight.py",
                "stages/resolution.py",
                "data",
                "networks",
                "pretraining",
                "registry/server.py",
                "training",
                "transfer",
            ),
        ),
        Stage("ingest", reads=("plan",), writes=("dataset", "sealed"), item="dataset.json", rooms=("data",)),
        Stage(
            "pretrain",
            reads=("plan",),
            writes=("initialization",),
            item="initializations/{name}.json",
            each="initializations",
            rooms=("data", "networks", "training", "pretraining"),
        ),
        Stage(
            "transfer",
            reads=("plan", "dataset", "initializations"),
            writes=("candidate",),
            item="candidates/{name}.json",
            each="candidates",
            rooms=(
                "charts.py",
                "stages/exposure.py",
                "stages/searching.py",
                "data",
                "networks",
                "training",
                "transfer",
                "evaluation/arrays.py",
                "evaluation/calibration.py",
                "evaluation/choosing.py",
                "evaluation/figures.py",
                "evaluation/judge.py",
                "evaluation/metrics.py",
                "evaluation/operating.py",
                "evaluation/ordinal.py",
                "evaluation/parts.py",
                "evaluation/readout.py",
                "evaluation/results.py",
                "evaluation/selection.py",
                "evaluation/uncertainty.py",
                "evaluation/units.py",
            ),
        ),
        Stage(
            "evaluate",
            reads=("plan", "dataset", "sealed", "candidates"),
            writes=("evaluation",),
            item="evaluation.json",
            rooms=("charts.py", "data", "networks", "evaluation"),
        ),
        Stage(
            "register",
            reads=("plan", "dataset", "candidates", "evaluation"),
            writes=("registration",),
            item="registration.json",
            rooms=(
                "data",
                "networks",
                "registry",
                "evaluation/arrays.py",
                "evaluation/cautions.py",
                "evaluation/checklists",
                "evaluation/uncertainty.py",
                "evaluation/wording.py",
            ),
        ),
    )
}
