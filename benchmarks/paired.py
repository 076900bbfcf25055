"""One candidate of a finished study against others, on the same resampled patients of test.

    python -m benchmarks.paired FOLDER dvme concatenation mean_probability best_source

`medgraft evaluate` compares with one reference; this asks afterwards about another, from the predictions it wrote, by
the same draws if the plan left `evaluation.seed` as it is. FOLDER holds the study's artifacts, `dataset` and
`evaluation` among them.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.artifacts import read_json
from medgraft.data.dataset import read_labels, read_rows
from medgraft.errors import UserError
from medgraft.evaluation.arrays import Floats
from medgraft.evaluation.figures import macro_values
from medgraft.evaluation.judge import judge
from medgraft.evaluation.parts import part
from medgraft.evaluation.readout import fixed_readout, reading
from medgraft.evaluation.uncertainty import Difference
from medgraft.params import Evaluation

WITHOUT_THRESHOLD = ("auroc", "auprc", "quadratic_kappa")


def differences(artifacts: Path, candidate: str, others: list[str]) -> dict[str, Difference]:
    """Candidate − other in the study's metric; raises `UserError` if that needs thresholds, or a name is not there."""
    metrics = read_json(artifacts / "evaluation" / "metrics.json")
    if metrics["metric"] not in WITHOUT_THRESHOLD:
        raise UserError(f"the study's metric is {metrics['metric']}; only {', '.join(WITHOUT_THRESHOLD)} are compared")
    if unknown := {candidate, *others} - metrics["candidates"].keys():
        raise UserError(f"no candidate {', '.join(sorted(unknown))}; there are {', '.join(metrics['candidates'])}")
    stored = pl.read_parquet(artifacts / "evaluation" / "predictions.parquet").filter(pl.col("split") == "test")
    rows = stored.filter(pl.col("candidate") == candidate)
    labels = {i: label for i, label in zip(rows["image_id"], read_labels(rows), strict=True) if label is not None}
    unit = metrics["unit"]
    settings = Evaluation(unit=unit["of"], aggregate=unit["aggregate"], draws=metrics["draws"])
    test = part("test", read_rows(artifacts / "dataset", ["test"]), labels, judge(metrics, settings))
    readout = fixed_readout(metrics["task"], metrics["classes"], {}, {}, {})

    def values(name: str) -> Floats:
        of = stored.filter(pl.col("candidate") == name).select("image_id", "probabilities").iter_rows()
        probabilities = dict(of)
        p = np.array([probabilities[i] for i in test.image_ids])
        return macro_values(metrics["metric"], reading(test, readout, p))

    own = values(candidate)
    return {other: test.sampling.difference(own - values(other)) for other in others}


def main() -> None:
    """Read the command line, print a line for each other candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path)
    parser.add_argument("candidate")
    parser.add_argument("others", nargs="+")
    asked = parser.parse_args()
    try:
        compared = differences(asked.artifacts, asked.candidate, asked.others)
    except UserError as error:
        parser.error(str(error))
    for other, found in compared.items():
        known = found.low is not None and found.high is not None
        interval = f"({found.low:+.3f} to {found.high:+.3f})" if known else "(interval withheld: too few patients)"
        print(f"{asked.candidate} - {other}: {found.estimate:+.3f} {interval}")


if __name__ == "__main__":
    main()
