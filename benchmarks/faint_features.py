"""What the least scale of a feature is worth to a linear probe of few patients.

    OMP_NUM_THREADS=1 python -m benchmarks.faint_features

Malaria cells at 64 px, ImageNet's EfficientNet-Lite0; a probe on each of ten draws of some of the train patients, with
several least scales (`training.standardisation`), scored on the validation split. Nothing of test is looked at.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.linear_evaluation import INITIALIZATIONS
from benchmarks.throughput import ingested, initialized, run_of
from medgraft.params import Study
from medgraft.training import standardisation
from medgraft.transfer import Run
from medgraft.transfer.probing import probed

NAME = "imagenet_lite0"
FRACTIONS = (0.07, 0.1, 0.2, 0.5)
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = range(10)


def scored(run: Run, share: float) -> tuple[float, float, float]:
    """Cross-validated loss inside train; AUROC and log loss on validation."""
    standardisation.LEAST_SCALE = share
    train, validation = run.features(NAME)
    network, fit = probed(run, NAME, train)
    with torch.inference_mode():
        p = network.eval().head(torch.from_numpy(validation.whole)).double().softmax(1)[:, 1].numpy()
    return fit.loss, float(roc_auc_score(validation.labels, p)), float(log_loss(validation.labels, p))


def row(share: float, found: Sequence[tuple[float, float, float]]) -> str:
    """Means over the draws, and the worst log loss."""
    inside, auroc, outside = np.array(found).T
    return f"| {share:g} | {inside.mean():.3f} | {auroc.mean():.4f} | {outside.mean():.3f} | {outside.max():.3f} |"


def main() -> None:
    """Run, print a table for each share of the labels."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        dataset = ingested("malaria_cells", folder / "malaria")
        source = initialized(folder, NAME, INITIALIZATIONS[NAME])
        study = Study(device="cpu", fractions=list(FRACTIONS), seeds=list(SEEDS))
        for fraction in FRACTIONS:
            runs = [run_of(dataset, [source], study, fraction, seed, folder, NAME) for seed in SEEDS]
            patients = [run.rows["group_id"].n_unique() for run in runs]
            print(f"\n{fraction:.0%} of the labels ({min(patients)}–{max(patients)} patients)\n")
            print("| least scale | loss, cross-validated | AUROC | log loss | log loss, worst draw |")
            print("|---|---|---|---|---|")
            for share in SHARES:
                print(row(share, [scored(run, share) for run in runs]), flush=True)


if __name__ == "__main__":
    main()
