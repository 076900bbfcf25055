"""How long and how fast DVME's head should learn: its validation loss under several recipes, from a finished study.

    python -m benchmarks.dvme_recipe FOLDER

The paper (arXiv 2108.10048) names neither epochs nor rates. FOLDER is that of `benchmarks.strategies`, run by DVC; its
feature store is read, or filled again. First listed seed, all labels. Nothing of test is looked at.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import yaml

from benchmarks.throughput import run_of
from medgraft.networks.initialization import read_initialization
from medgraft.params import Study
from medgraft.transfer import Run
from medgraft.transfer.dvme import DvmeSettings, train_head

RECIPES = ((60, 3e-4), (20, 1e-4), (20, 3e-5), (10, 3e-4), (10, 1e-4), (10, 3e-5))  # epochs, learning rate


def of_study(folder: Path) -> tuple[Run, DvmeSettings]:
    """A run with the study's data and initializations, and what its candidate `dvme` was told."""
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    settings = DvmeSettings(**params["candidates"]["dvme"])
    sources = [read_initialization(folder / "artifacts/initializations" / name) for name in settings.initializations]
    study = Study.model_validate(params["study"])
    run = run_of(folder / "artifacts/dataset", sources, study, 1.0, study.seeds[0], folder / ".medgraft", "dvme")
    return replace(run, compute=replace(run.compute, say=lambda line: None)), settings


def main() -> None:
    """Read the command line, train, print a row for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    run, settings = of_study(parser.parse_args().folder / "study")
    examples = {name: run.features(name) for name in settings.initializations}
    print("| epochs | learning rate | validation loss | best step | seconds |\n|---|---|---|---|---|")
    for epochs, rate in RECIPES:
        told = settings.model_copy(update={"epochs": epochs, "learning_rate": rate})
        start = time.perf_counter()
        fitted = train_head(run, told, settings.initializations, examples)
        spent, facts = time.perf_counter() - start, fitted.facts
        best = f"{facts['best_step']} of {facts['steps']}"
        print(f"| {epochs} | {rate:g} | {fitted.validation_loss:.4f} | {best} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
