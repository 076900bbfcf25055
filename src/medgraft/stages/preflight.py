"""Before any compute is spent: is everything reachable, and roughly how long will it take?"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from medgraft.data.identity import group_key
from medgraft.data.readers import readers
from medgraft.data.sources import READ_AS_FILES, check_source
from medgraft.errors import UserError, raise_all
from medgraft.networks.backbones import create_backbone
from medgraft.networks.network import Network, NetworkSpec
from medgraft.params import Params, Task
from medgraft.pretraining.method import native_input
from medgraft.registry.server import connect
from medgraft.stages.resolution import Resolved
from medgraft.training.losses import training_loss
from medgraft.training.recipe import recipe

FREE_BYTES = 2_000_000_000
LONG_CHUNK = 60  # seconds that a kill may cost


@dataclass(frozen=True)
class Estimate:
    """Roughly how long one candidate trains: seconds over all its runs, and seconds a chunk."""

    name: str
    runs: int
    seconds: float
    chunk_seconds: float


def check_reachable(params: Params) -> int | None:
    """How many rows the source has; raises one `UserError` with all that a stage will need and that is not there.

    The reader runs, but opens no image. None where the source is remote or packed: it is not fetched to count it.
    """
    rows: list[int | None] = []
    checks: list[Callable[[], None]] = [
        lambda: rows.append(_count_rows(params)),
        lambda: _key(params),
        lambda: _disk(Path.cwd()),
        lambda: _device(params),
        lambda: _server(params),
    ]
    problems = []
    for check in checks:
        try:
            check()
        except UserError as error:
            problems.append(str(error))
    raise_all(problems, "what this study needs")
    return rows[0]


def estimates(resolved: Resolved, rows: int | None) -> list[Estimate]:
    """For every candidate, a training step measured on this machine times the steps its runs will take.

    Where the rows are not known, as many as the cost ceiling lets a run process.
    """
    params = resolved.params
    study = params.study
    share = 1 - params.split.validation - params.split.test
    train = study.max_images if rows is None else max(1, round(rows * share))
    measured: dict[tuple[str, int, bool], float] = {}
    found = []
    for name, settings in resolved.candidates.items():
        first = resolved.initializations[settings.sources[0]].model_dump()
        architecture = first["architecture"]
        size = first["image_size"] or native_input(architecture)[0]
        key = (architecture, size, settings.trains_backbone)
        if key not in measured:
            measured[key] = _step_seconds(*key, study.batch_size, params.dataset.task, tuple(params.dataset.classes))
        steps = [recipe(study, max(1, round(train * f)), settings.passes, 1.0, 0.0, 0).steps for f in study.fractions]
        total = sum(steps) * len(study.seeds) * measured[key]
        found.append(Estimate(name, len(steps) * len(study.seeds), total, study.chunk_steps * measured[key]))
    return found


def _step_seconds(
    architecture: str, size: int, trains_backbone: bool, batch: int, task: Task, classes: tuple[str, ...]
) -> float:
    spec = NetworkSpec(architecture, size, (0.5,) * 3, (0.5,) * 3, classes, "linear", task)
    network = Network(spec, create_backbone(architecture, size), seed=0).train()
    network.backbone.requires_grad_(trains_backbone)
    images, weights = torch.zeros(batch, 3, size, size), torch.ones(2, len(classes))
    labels = torch.zeros(batch, len(classes)) if task == "multilabel" else torch.zeros(batch, dtype=torch.long)
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        training_loss(network(images), labels, weights).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        spent.append(time.perf_counter() - began)
    return min(spent[1:])


def _count_rows(params: Params) -> int | None:
    uri = params.dataset.source
    check_source(uri)
    if "://" in uri or not (Path(uri).is_dir() or Path(uri).suffix in READ_AS_FILES):
        return None
    reader = readers.get(params.dataset.reader["type"])
    rows = sum(1 for _ in reader.read(Path(uri), reader.settings(**params.dataset.reader)))
    if rows == 0:
        raise UserError(f"dataset.source: {uri} holds no rows; correct it or the reader's settings")
    return rows


def _key(params: Params) -> None:
    group_key(params.dataset.group_key)


def _disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise UserError(f"only {free / 1e9:.1f} GB of disk are free, {FREE_BYTES / 1e9:.0f} GB are needed; make room")


def _device(params: Params) -> None:
    if params.study.device == "cuda" and not torch.cuda.is_available():
        raise UserError("study.device: cuda, but no CUDA GPU is visible; use a GPU node, or `device: auto`")


def _server(params: Params) -> None:
    connect(params.registration.tracking_uri)


def describe(estimated: Sequence[Estimate], rows: int | None, resolved: Resolved) -> list[str]:
    """What will run, in lines for a terminal."""
    params = resolved.params
    counted = "rows not counted yet (remote or packed)" if rows is None else f"{rows} rows"
    lines = [f"dataset {params.dataset.name}: {counted}, {params.dataset.task}, classes {params.dataset.classes}"]
    if params.dataset.task == "binary":
        lines.append(f"  positive class: {params.dataset.classes[1]}")
    for name, settings in params.initializations.items():
        lines.append(f"initialization {name}: {settings['method']} {settings['architecture']}")
    for estimate in estimated:
        candidate = resolved.candidates[estimate.name]
        lines.append(
            f"candidate {estimate.name}: {candidate.strategy} from {', '.join(candidate.sources)}, "
            f"{estimate.runs} run{'s' * (estimate.runs != 1)}, about {_duration(estimate.seconds)}"
        )
        if estimate.chunk_seconds > LONG_CHUNK:
            lines.append(
                f"  note: a checkpoint only every {_duration(estimate.chunk_seconds)}; lower study.chunk_steps "
                "to lose less when a run is killed"
            )
    total = _duration(sum(e.seconds for e in estimated))
    most = "at most " if rows is None else ""
    lines.append(f"all candidates one after the other: {most}about {total} of training here (from a measured step)")
    return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
