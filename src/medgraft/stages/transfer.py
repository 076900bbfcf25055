"""transfer: one candidate of the plan, every label fraction and seed of it → model, predictions, histories."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.artifacts import fingerprint, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.overlap import exposed_together, refuse_overlap
from medgraft.networks.initialization import EXPOSED, Initialization, read_initialization
from medgraft.networks.network import save_network
from medgraft.params import Study
from medgraft.stages import STAGES
from medgraft.stages.agreement import require_dataset, trained_by
from medgraft.stages.running import produce, read_item
from medgraft.store import Store
from medgraft.training.data import TrainingData, training_data
from medgraft.training.fitting import Compute, Fitted
from medgraft.training.pixels import open_pixels
from medgraft.training.prediction import predict, predict_packaged
from medgraft.training.stream import Images
from medgraft.transfer import Run, StrategySettings, strategies

SPLITS = ("validation", "test")


def run(plan: Path, name: str, dataset: Path, initializations: Path, candidate: Path, store: Store) -> str:
    """Fit the candidate `name`; returns how the artifact came about.

    Finished runs and checkpoints are kept in the store, so that a killed call goes on where it was. Raises
    `UserError` when the dataset holds volumes, an initialization has seen patients of validation or test, or a fraction
    misses a class.
    """
    item = read_item(plan, "transfer", name)
    strategy = strategies.get(item["settings"]["strategy"])
    settings: StrategySettings = strategy.settings(**item["settings"])
    study = Study(**item["study"])
    data = training_data(dataset)
    require_dataset(plan, data.card)
    sources = {source: read_initialization(initializations / source) for source in settings.sources}
    exposed, cautions = _exposed(plan, initializations, list(sources), dataset)
    made_from = {"dataset": data.card["fingerprint"]} | {s: i.fingerprint for s, i in sources.items()}
    matters = {
        "name": name,
        "settings": settings.model_dump(),
        "study": trained_by(study),
        "cautions": cautions,  # they differ with what there is of the source sets
    }
    print_ = fingerprint("candidate", matters, made_from, code_version(STAGES["transfer"].code))

    def build(folders: dict[str, Path]) -> None:
        folder = folders["candidate"]
        pairs = [(fraction, seed) for fraction in study.fractions for seed in study.seeds]
        fits: list[Fitted] = []
        facts: list[dict[str, Any]] = []
        for fraction, seed in pairs:
            rows = data.fraction(fraction, seed)
            key = f"{print_}-{fraction!r}-{seed}"
            title = f"{name} · {fraction:.0%} of labels · seed {seed}"
            fitted = strategy.fit(_run(sources, data, rows, study, seed, title, store, key), settings)
            fits.append(fitted)
            facts.append(_facts(fraction, seed, rows, fitted))
        packaged = pairs.index((1.0, study.seeds[0]))
        save_network(fits[packaged].network, folder)
        _write_predictions(folder, pairs, fits, packaged, dataset)
        _write_history(folder, pairs, fits)
        if exposed:
            write_json(folder / EXPOSED, exposed)
        write_card(
            folder,
            "candidate",
            print_,
            made_from,
            name=name,
            strategy=settings.strategy,
            initializations={source: made.fingerprint for source, made in sources.items()},
            origins={source: asdict(made.origin) for source, made in sources.items()},
            settings=settings.model_dump(),
            study=trained_by(study),
            fits=facts,
            warnings=[*data.card["warnings"], *cautions],
        )

    return produce({"candidate": candidate}, {"candidate": print_}, store, build)


def _run(
    sources: dict[str, Initialization],
    data: TrainingData,
    rows: pl.DataFrame,
    study: Study,
    seed: int,
    title: str,
    store: Store,
    key: str,
) -> Run:
    compute = Compute(study.device, study.workers)

    def images(size: int) -> tuple[Images, Images]:
        pixels = open_pixels(data.folder, size, compute.cache)
        return data.images(rows, pixels), data.images(data.validation, pixels)

    return Run(sources, data.classes, data.task, study, seed, images, title, store, key, compute)


def _facts(fraction: float, seed: int, rows: pl.DataFrame, fitted: Fitted) -> dict[str, Any]:
    return {
        "fraction": fraction,
        "seed": seed,
        "train_images": len(rows),
        "train_groups": rows["group_id"].n_unique(),
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "validation_loss": fitted.validation_loss,
    }


def _write_predictions(
    folder: Path, pairs: Sequence[tuple[float, int]], fits: Sequence[Fitted], packaged: int, dataset: Path
) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        for split, (ids, served) in predict_packaged(fits[packaged].network, dataset, SPLITS).items():
            others = [fitted.network for i, fitted in enumerate(fits) if i != packaged]
            all_logits = predict(others, dataset, [split])
            all_logits.insert(packaged, served)
            for (fraction, seed), logits in zip(pairs, all_logits, strict=True):
                yield pl.DataFrame({"image_id": ids, "logits": logits.tolist()}).select(
                    pl.lit(fraction, pl.Float64).alias("fraction"),
                    pl.lit(seed, pl.Int64).alias("seed"),
                    pl.lit(split).alias("split"),
                    "image_id",
                    pl.col("logits").cast(pl.List(pl.Float32)),
                )

    pl.concat(frames()).write_parquet(folder / "predictions.parquet")


def _write_history(folder: Path, pairs: Sequence[tuple[float, int]], fits: Sequence[Fitted]) -> None:
    rows = [
        {"fraction": fraction, "seed": seed} | step
        for (fraction, seed), fitted in zip(pairs, fits, strict=True)
        for step in fitted.history
    ]
    pl.DataFrame(rows).with_columns(pl.col("step").cast(pl.Int64)).write_parquet(folder / "history.parquet")


def _exposed(plan: Path, folder: Path, names: Sequence[str], dataset: Path) -> tuple[dict[str, Any], list[str]]:
    """What any of the initializations has seen, and warnings about look-alikes; refuses those it is judged on."""
    seen = {name: read_json(folder / name / EXPOSED) for name in names if (folder / name / EXPOSED).is_file()}
    warnings = []
    for name, exposed in seen.items():
        source = read_item(plan, "pretrain", name)["settings"].get("dataset")
        warnings += refuse_overlap(name, exposed, dataset, Path(source) if source else None)
    return (exposed_together(seen.values()) if seen else {}), warnings
