"""Before any compute is spent: is everything reachable, does it fit together, and roughly what will it take?"""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from medgraft.data.identity import group_key
from medgraft.data.readers import readers
from medgraft.data.sources import READ_AS_FILES, check_source
from medgraft.errors import UserError, raise_all
from medgraft.networks.assembly import BackboneSpec
from medgraft.params import Params, Settings
from medgraft.pretraining.method import native_input
from medgraft.registry.server import connect
from medgraft.stages.resolution import Resolved
from medgraft.transfer import strategies

FREE_BYTES = 2_000_000_000


def check_reachable(resolved: Resolved) -> int | None:
    """How many rows the source has; raises one `UserError` with all that a stage will need and that is not there.

    The reader runs, but opens no image. None where the source is remote or packed: it is not fetched to count it.
    """
    params = resolved.params
    rows: list[int | None] = []
    checks: list[Callable[[], None]] = [
        lambda: rows.append(_count_rows(params)),
        lambda: _key(params),
        lambda: _disk(Path.cwd()),
        lambda: _device(params),
        lambda: _server(params),
        *(lambda name=name: _suits(resolved, name) for name in resolved.candidates),
    ]
    problems = []
    for check in checks:
        try:
            check()
        except UserError as error:
            problems.append(str(error))
    raise_all(problems, "what this study needs")
    return rows[0]


def backbone_of(initialization: Settings) -> BackboneSpec:
    """The backbone that an initialization's settings will give."""
    told = initialization.model_dump()
    size, mean, std, _ = native_input(told["architecture"])
    return BackboneSpec(told["architecture"], told["image_size"] or size, mean, std, told["volumes"])


def _suits(resolved: Resolved, name: str) -> None:
    """Whether a candidate's strategy can do with its backbones what it is told; cuts have names only there."""
    settings = resolved.candidates[name]
    kinds = {resolved.initializations[source].model_dump()["volumes"] is None for source in settings.sources}
    if len(kinds) > 1:
        raise UserError(f"candidates.{name}: joins networks for images and for volumes; set `volumes` on all or none")
    for source in settings.sources:
        try:
            strategies.get(settings.strategy).check(backbone_of(resolved.initializations[source]), settings)
        except UserError as error:
            raise UserError(f"candidates.{name}: {error}") from error


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
