"""Roughly what a study will take: a training step of each network, measured on this machine, times its steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from medgraft.errors import UserError
from medgraft.networks.assembly import BackboneSpec, assemble
from medgraft.networks.network import Network, NetworkSpec
from medgraft.params import Task
from medgraft.stages.preflight import backbone_of
from medgraft.stages.resolution import Resolved
from medgraft.training.losses import training_loss
from medgraft.training.recipe import recipe

LONG_CHUNK = 60  # seconds that a kill may cost
FINALISTS = 3  # at most, of a search
SEARCH_PASSES = 3  # of a search for a cut: its probes, and for the drift of the tuned and of a random network
COPIES = 4  # of every parameter: itself, its gradient, two moments of AdamW


@dataclass(frozen=True)
class Step:
    """A batch through a network: seconds to train on it and to look at it, bytes it needs while training."""

    trained: float
    looked_at: float
    bytes_: int


@dataclass(frozen=True)
class Estimate:
    """Roughly what one candidate takes: seconds over all its runs, seconds a chunk (0: no training), bytes.

    `at_most`: it trains less than the whole network, of which these are. Without training, they are of the features.
    """

    name: str
    runs: int
    seconds: float
    chunk_seconds: float
    bytes_: int
    at_most: bool


def estimates(resolved: Resolved, rows: int | None) -> list[Estimate]:
    """Of every candidate. Where the rows are not known, as many as the cost ceiling lets a run process."""
    params = resolved.params
    study = params.study
    share = 1 - params.split.validation - params.split.test
    train = study.max_images if rows is None else max(1, round(rows * share))
    measured: dict[BackboneSpec, Step] = {}
    found = []
    for name, settings in resolved.candidates.items():
        backbones = [backbone_of(resolved.initializations[source]) for source in settings.sources]
        for backbone in backbones:
            if backbone not in measured:
                measured[backbone] = _step(
                    backbone, study.batch_size, params.dataset.task, tuple(params.dataset.classes)
                )
        runs = len(study.fractions) * len(study.seeds)
        seen = train * (1 + params.split.validation / share) / study.batch_size
        looked_at = seen * sum(measured[backbone].looked_at for backbone in backbones)
        if not settings.passes:
            found.append(Estimate(name, runs, looked_at, 0.0, 0, at_most=False))
            continue
        step = measured[backbones[0]]
        each = [recipe(study, max(1, round(train * f)), settings.passes, 1.0, 0.0, 0).steps for f in study.fractions]
        steps = (sum(each) + (FINALISTS - 1) * max(each) * settings.searches) * len(study.seeds)
        seconds = steps * step.trained + SEARCH_PASSES * looked_at * settings.searches
        chunk = min(study.chunk_steps, max(each)) * step.trained
        found.append(Estimate(name, runs, seconds, chunk, step.bytes_, at_most="cut" in type(settings).model_fields))
    return found


def describe(estimated: Sequence[Estimate], rows: int | None, resolved: Resolved) -> list[str]:
    """What will run, in lines for a terminal."""
    params = resolved.params
    counted = "rows not counted yet (remote or packed)" if rows is None else f"{rows} rows"
    lines = [f"dataset {params.dataset.name}: {counted}, {params.dataset.task}, classes {params.dataset.classes}"]
    if params.dataset.task == "binary":
        lines.append(f"  positive class: {params.dataset.classes[1]}")
    for name, initialization in resolved.initializations.items():
        told = initialization.model_dump()
        volumes = f" for volumes ({told['volumes']})" if told["volumes"] else ""
        lines.append(f"initialization {name}: {told['method']} {told['architecture']}{volumes}")
    for estimate in estimated:
        candidate = resolved.candidates[estimate.name]
        what = f", {estimate.bytes_ / 1e9:.1f} GB a training step" if estimate.bytes_ else " for its features"
        lines.append(
            f"candidate {estimate.name}: {candidate.strategy} from {', '.join(candidate.sources)}, "
            f"{estimate.runs} run{'s' * (estimate.runs != 1)}, {'at most' if estimate.at_most else 'about'} "
            f"{_duration(estimate.seconds)}{what}"
        )
        if estimate.chunk_seconds > LONG_CHUNK:
            lines.append(
                f"  note: a checkpoint only every {_duration(estimate.chunk_seconds)}; lower study.chunk_steps "
                "to lose less when a run is killed"
            )
    total = _duration(sum(e.seconds for e in estimated))
    most = "at most " if rows is None else ""
    lines.append(
        f"all candidates one after the other: {most}about {total} here (from a measured step; heads on stored "
        "features, mostly seconds a run, are not counted)"
    )
    return lines


def _step(backbone: BackboneSpec, batch: int, task: Task, classes: tuple[str, ...]) -> Step:
    network = Network(NetworkSpec((backbone,), classes, "linear", task), [assemble(backbone)], seed=0)
    images, weights = network.blank(batch), torch.ones(2, len(classes))
    labels = torch.zeros(batch, len(classes)) if task == "multilabel" else torch.zeros(batch, dtype=torch.long)
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    def trained() -> None:
        training_loss(network(*images), labels, weights).backward()  # type: ignore[no-untyped-call]  # torch has no type for it

    try:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            trained()
    except RuntimeError as error:
        raise UserError(
            f"a training step of {backbone.architecture} with {batch} images of side {backbone.image_size} fails: "
            f"{error}; take another image_size, a smaller study.batch_size or another architecture"
        ) from error
    spent = _seconds(trained)
    with torch.inference_mode():
        looked_at = _seconds(lambda: network.eval()(*images))
    parameters = sum(p.nbytes for p in network.parameters())
    return Step(spent, looked_at, sum(held.values()) + COPIES * parameters)


def _seconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
