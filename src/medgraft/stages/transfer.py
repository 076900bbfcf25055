"""transfer: one candidate of the plan, every label fraction and seed of it → model, predictions, histories."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.artifacts import SEARCH, SEARCH_PLOT, fingerprint, write_card, write_json
from medgraft.code_version import code_version
from medgraft.networks.export import MODEL
from medgraft.networks.initialization import EXPOSED, read_initialization
from medgraft.networks.network import save_network
from medgraft.params import Evaluation, Study
from medgraft.stages import STAGES
from medgraft.stages.agreement import require_dataset, require_dimensions, trained_by
from medgraft.stages.exposure import exposed, refuse_learned
from medgraft.stages.running import produce, read_item
from medgraft.stages.searching import Found, find
from medgraft.store import Store
from medgraft.training.data import training_data
from medgraft.training.fitting import Compute, Fitted
from medgraft.training.prediction import predict, predict_packaged
from medgraft.training.window import window
from medgraft.transfer import Run, StrategySettings, strategies

SPLITS = ("validation", "test")
LOSSES = ("train_loss", "validation_loss")
CURVE = (
    "What was searched for (a cut, a source) was found with all training labels: with fewer labels the learning curve "
    "is that of what was found, not of a search among so few."
)


def run(plan: Path, name: str, dataset: Path, initializations: Path, candidate: Path, store: Store) -> str:
    """Fit the candidate `name`; returns how the artifact came about.

    Finished runs and checkpoints are kept in the store, so that a killed call goes on where it was. Raises
    `UserError` when an initialization is not made for what the dataset holds (images, volumes) or has seen patients of
    validation or test, or was trained with labels that the candidate would choose by, or a fraction misses a class.
    """
    item = read_item(plan, "transfer", name)
    strategy = strategies.get(item["settings"]["strategy"])
    settings: StrategySettings = strategy.settings(**item["settings"])
    study = Study(**item["study"])
    data = training_data(dataset)
    require_dataset(plan, data.card)
    sources = {source: read_initialization(initializations / source) for source in settings.sources}
    require_dimensions(data.card, {name: source.origin.volumes for name, source in sources.items()})
    seen = exposed(plan, initializations, list(sources), dataset)
    if settings.searches:
        refuse_learned(seen.learned, f"candidate '{name}' chooses by cross-validation inside train")
    made_from = {"dataset": data.card["fingerprint"]} | {s: i.fingerprint for s, i in sources.items()}
    matters = {
        "name": name,
        "settings": settings.model_dump(),
        "study": trained_by(study),
        "evaluation": item.get("evaluation"),
        "cautions": seen.warnings,  # they differ with what there is of the source sets
    }
    print_ = fingerprint("candidate", matters, made_from, code_version(STAGES["transfer"].code))

    def build(folders: dict[str, Path]) -> None:
        folder = folders["candidate"]
        values = window(dataset)

        def run_of(fraction: float, seed: int, finalist: str = "") -> Run:
            """The run of a label fraction and a seed, or that of a search's finalist."""
            rows = data.fraction(fraction, seed)
            title = " · ".join([name, *([finalist] if finalist else []), f"{fraction:.0%} of labels", f"seed {seed}"])
            key = "-".join([print_, repr(fraction), str(seed), *([finalist] if finalist else [])])
            compute = Compute(study.device, study.workers)
            return Run(sources, data, rows, values, study, seed, title, store, key, compute)

        found = Found(settings, {}, None)
        if settings.searches:
            found = find(strategy, settings, run_of, study.seeds, Evaluation(**item["evaluation"]))
        pairs = [(fraction, seed) for fraction in study.fractions for seed in study.seeds]
        fits: list[Fitted] = []
        facts: list[dict[str, Any]] = []
        chosen = strategies.get(found.settings.strategy)
        for fraction, seed in pairs:
            run = run_of(fraction, seed)
            done = found.fits.get(seed) if fraction == 1.0 else None
            if done is None:
                assert chosen.fit is not None
                done = chosen.fit(run, found.settings)
            fits.append(done)
            facts.append(_facts(fraction, seed, run.rows, done))
        packaged = pairs.index((1.0, study.seeds[0]))
        save_network(fits[packaged].network, folder)
        _write_predictions(folder, pairs, fits, packaged, dataset)
        _write_history(folder, pairs, fits)
        if seen.together:
            write_json(folder / EXPOSED, seen.together)
        warnings = [*data.card["warnings"], *seen.warnings]
        if found.search is not None:
            write_json(folder / SEARCH, found.search.record)
            if found.search.plot is not None:
                found.search.plot(found.search.record, folder / SEARCH_PLOT)
            if len(study.fractions) > 1:
                warnings.append(CURVE)
        write_card(
            folder,
            "candidate",
            print_,
            made_from,
            name=name,
            strategy=settings.strategy,
            initializations={source: sources[source].fingerprint for source in found.settings.sources},
            origins={source: asdict(sources[source].origin) for source in found.settings.sources},
            settings=settings.model_dump(),
            chosen=found.settings.model_dump(),
            looks=1 if found.search is None else max(1, len(found.search.finalists)),
            evaluation=item.get("evaluation"),
            study=trained_by(study),
            fits=facts,
            warnings=warnings,
        )

    return produce({"candidate": candidate}, {"candidate": print_}, store, build)


def _facts(fraction: float, seed: int, rows: pl.DataFrame, fitted: Fitted) -> dict[str, Any]:
    return {
        "fraction": fraction,
        "seed": seed,
        "train_images": len(rows),
        "train_groups": rows["group_id"].n_unique(),
        "validation_loss": fitted.validation_loss,
        **fitted.facts,
    }


def _write_predictions(
    folder: Path, pairs: Sequence[tuple[float, int]], fits: Sequence[Fitted], packaged: int, dataset: Path
) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        served_by_split = predict_packaged(fits[packaged].network, dataset, SPLITS, folder / MODEL)
        for split, (ids, served) in served_by_split.items():
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
    """One row a look at the validation loss; none of runs that were not trained step by step."""
    schema = {"fraction": pl.Float64, "seed": pl.Int64, "step": pl.Int64} | dict.fromkeys(LOSSES, pl.Float64)
    rows = [
        {"fraction": fraction, "seed": seed} | step
        for (fraction, seed), fitted in zip(pairs, fits, strict=True)
        for step in fitted.history
    ]
    pl.DataFrame(rows, schema=schema).write_parquet(folder / "history.parquet")
