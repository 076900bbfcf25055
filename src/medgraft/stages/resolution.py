"""From params.yaml to what every stage will be told; all mistakes, of every block, are collected first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.artifacts import fingerprint
from medgraft.catalog import Catalog, nearest
from medgraft.data.readers import ReaderSettings, readers
from medgraft.errors import UserError, raise_all
from medgraft.loading import choice, read_yaml, validate
from medgraft.params import Dataset, Evaluation, Params, Settings, Split, Study
from medgraft.pretraining import methods
from medgraft.transfer import StrategySettings, strategies

RESERVED_NAMES = ("dataset", "sealed")  # keys of `made_from` beside the names of candidates and initializations
RESERVED = (
    "image",
    "image_id",
    "group_id",
    "study_id",
    "split",
    "label",
    "labels",
    "masks",
    "phash",
    "source_uri",
)


@dataclass(frozen=True)
class Resolved:
    """Validated params, with the settings of reader, initializations and candidates filled with defaults."""

    params: Params
    initializations: dict[str, Settings]
    candidates: dict[str, StrategySettings]


def resolve(path: Path, overrides: Sequence[str]) -> Resolved:
    """Read and check a params file; raises one `UserError` with every mistake in it."""
    raw = read_yaml(path, overrides)
    params, problems = validate(Params, raw)
    made: dict[str, dict[str, Any]] = {}
    for block, catalog, key in (("initializations", methods, "method"), ("candidates", strategies, "strategy")):
        made[block] = {}
        for name, settings in _mapping(raw, block).items():
            entry, found = _settings(catalog, settings, key, f"{block}.{name}")
            problems += found
            if entry is not None:
                made[block][name] = entry
    dataset = _mapping(raw, "dataset")
    reader = None
    if "reader" in dataset:
        reader, found = _settings(readers, dataset["reader"], "type", "dataset.reader")
        problems += found
    problems += [
        f"{block}.{name}: the name is taken; choose another"
        for block in made
        for name in RESERVED_NAMES
        if name in _mapping(raw, block)
    ]
    names = list(_mapping(raw, "initializations"))
    problems += [p for name, c in made["candidates"].items() for p in _unknown_sources(name, c, names)]
    described = validate(Dataset, dataset)[0]
    split, study = validate(Split, raw.get("split", {}))[0], validate(Study, raw.get("study", {}))[0]
    evaluation = validate(Evaluation, raw.get("evaluation", {}))[0]
    problems += _dataset_checks(described, reader)
    problems += _study_checks(split, study)
    problems += _held_out_checks(split, reader)
    problems += _evaluation_checks(evaluation, described)
    problems += _reference_checks(evaluation, list(_mapping(raw, "candidates")))
    raise_all(list(dict.fromkeys(problems)), str(path))
    assert params is not None
    filled = params.model_copy(
        update={
            "dataset": params.dataset.model_copy(update={"reader": reader.model_dump() if reader else {}}),
            "initializations": {n: s.model_dump() for n, s in made["initializations"].items()},
            "candidates": {n: s.model_dump() for n, s in made["candidates"].items()},
            "evaluation": params.evaluation.model_copy(
                update={"reference": params.evaluation.reference or next(iter(params.candidates))}
            ),
        }
    )
    return Resolved(filled, made["initializations"], made["candidates"])


def item_files(resolved: Resolved) -> dict[str, dict[str, Any]]:
    """The plan's files by relative path: one a stage, an initialization, a candidate.

    What an initialization points to (weights, a source set) enters by its hash; raises `UserError` listing
    all that cannot be reached.
    """
    params = resolved.params
    study = params.study.model_dump()
    files: dict[str, dict[str, Any]] = {
        "dataset.json": {"dataset": params.dataset.model_dump(), "split": params.split.model_dump()},
        "evaluation.json": params.evaluation.model_dump() | {"candidates": list(params.candidates)},
        "registration.json": params.registration.model_dump() | {"params": params.model_dump()},
        "params.json": params.model_dump(),
    }
    problems = []
    for name, settings in resolved.initializations.items():
        try:
            content = methods.get(choice(params.initializations[name], "method")).content(settings)
        except UserError as error:
            problems.append(f"initializations.{name}: {error}")
            continue
        files[f"initializations/{name}.json"] = {
            "name": name,
            "settings": settings.model_dump(),
            "content": dict(content),
        }
    for name, candidate in resolved.candidates.items():
        files[f"candidates/{name}.json"] = {
            "name": name,
            "strategy": candidate.strategy,
            "initializations": candidate.sources,
            "settings": candidate.model_dump(),
            "study": study,
        } | ({"evaluation": params.evaluation.model_dump()} if candidate.searches else {})
    raise_all(problems, "the initializations")
    return {name: content | {"fingerprint": fingerprint("item", content, {}, "")} for name, content in files.items()}


def _mapping(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _settings(catalog: Catalog[Any], raw: object, key: str, where: str) -> tuple[Any, list[str]]:
    if not isinstance(raw, dict):
        return None, [f"{where}: needs settings, with `{key}` among them; allowed: {', '.join(catalog.names())}"]
    if not choice(raw, key):
        return None, [f"{where}.{key}: missing; allowed: {', '.join(catalog.names())}"]
    try:
        entry = catalog.get(choice(raw, key))
    except UserError as error:
        return None, [f"{where}.{key}: {error}"]
    return validate(entry.settings, raw, where)


def _unknown_sources(name: str, settings: StrategySettings, names: Sequence[str]) -> list[str]:
    return [
        f"candidates.{name}: no initialization '{source}'{nearest(source, names)}; there are: {', '.join(names)}"
        for source in settings.sources
        if source not in names
    ]


def _dataset_checks(dataset: Dataset | None, reader: Any) -> list[str]:  # noqa: ANN401  (any settings)
    if dataset is None:
        return []
    problems = []
    if len(set(dataset.classes)) != len(dataset.classes):
        problems.append(f"dataset.classes: {dataset.classes} names a class twice")
    if dataset.task == "binary" and len(dataset.classes) != 2:
        problems.append(
            f"dataset.classes: a binary task has two (negative, positive), got {len(dataset.classes)}; "
            "use `task: multiclass`"
        )
    if reader is not None and not reader.grouped and not dataset.ungrouped:
        problems.append(
            "dataset.reader: nothing says which images are of one patient; name the column (or pattern) in `group`, "
            "or accept possible leakage with `dataset.ungrouped: true`, which every report will state"
        )
    if reader is not None and reader.grouped and dataset.ungrouped:
        problems.append("dataset.ungrouped: true, but the reader knows the patient; remove one of the two")
    if reader is not None:
        problems += _label_checks(dataset, reader)
    taken = [c for c in (reader.subgroup_columns if reader is not None else []) if c in RESERVED]
    problems += [f"dataset.reader.subgroups: '{column}' is a name medgraft uses itself" for column in taken]
    return problems


def _label_checks(dataset: Dataset, reader: ReaderSettings) -> list[str]:
    if reader.labels is None:
        if dataset.task != "multilabel":
            return []
        return ["dataset.task: multilabel, but the reader gives one class for each image; name its label columns"]
    if dataset.task != "multilabel":
        return [
            f"dataset.task: {dataset.task}, but the reader gives a truth for each of several labels; use multilabel"
        ]
    return [
        f"dataset.classes: the reader has no label '{name}'{nearest(name, reader.labels)}"
        for name in dataset.classes
        if name not in reader.labels
    ]


def _held_out_checks(split: Split | None, reader: ReaderSettings | None) -> list[str]:
    if split is None or split.held_out is None:
        return []
    problems = ["split: held_out and only_test exclude each other; remove one"] if split.only_test else []
    columns = reader.subgroup_columns if reader is not None else [split.held_out.column]
    if split.held_out.column not in columns:
        hint = nearest(split.held_out.column, columns)
        problems.append(
            f"split.held_out.column: '{split.held_out.column}' is not among the reader's subgroups{hint}; add it there"
        )
    return problems


def _evaluation_checks(evaluation: Evaluation | None, dataset: Dataset | None) -> list[str]:
    if evaluation is None or dataset is None:
        return []
    problems = [
        f"evaluation.prevalence: no class '{name}'{nearest(name, dataset.classes)}"
        for name in evaluation.prevalence
        if name not in dataset.classes
    ]
    if evaluation.metric == "quadratic_kappa" and dataset.task != "ordinal":
        problems.append(f"evaluation.metric: quadratic_kappa is for grades in order, not for a {dataset.task} task")
    if evaluation.unit != "image" and evaluation.aggregate == "max" and dataset.task not in ("binary", "multilabel"):
        problems.append(
            f"evaluation.aggregate: max is for binary and multilabel tasks; use mean for a {dataset.task} task"
        )
    return problems


def _study_checks(split: Split | None, study: Study | None) -> list[str]:
    problems = []
    if split is not None and split.validation + split.test >= 1:
        problems.append("split: validation and test together leave nothing to train on")
    if study is None:
        return problems
    if 1.0 not in study.fractions:
        problems.append(f"study.fractions: 1.0 must be among them, got {study.fractions}")
    for field, values in (("fractions", study.fractions), ("seeds", study.seeds)):
        if len(set(values)) != len(values):
            problems.append(f"study.{field}: {values} names a value twice")
    return problems


def _reference_checks(evaluation: Evaluation | None, candidates: Sequence[str]) -> list[str]:
    reference = evaluation.reference if evaluation is not None else None
    if reference is None or reference in candidates:
        return []
    hint = nearest(reference, candidates)
    return [f"evaluation.reference: no candidate '{reference}'{hint}; there are: {', '.join(candidates)}"]
