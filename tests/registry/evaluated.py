"""Winners of made-up evaluations of every task, as the registry reads them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.evaluation.report.evaluations import make_evaluation

from medgraft.artifacts import read_json
from medgraft.registry.winner import Winner


def winner_of(folder: Path, base: Winner, **options: Any) -> Winner:
    """`base` with the evaluation and data set that `make_evaluation` writes into `folder`."""
    arguments = make_evaluation(folder, **options)
    metrics = read_json(folder / "metrics.json")
    return replace(
        base,
        name=metrics["winner"],
        cards={metrics["winner"]: base.candidate},
        dataset=arguments["dataset_card"],
        quality=arguments["quality"],
        metrics=metrics,
        failures=read_json(folder / "failures.json"),
    )
