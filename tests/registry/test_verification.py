import shutil
from pathlib import Path

import polars as pl
import pytest
from tests.registry.study import Study

from medgraft.errors import UserError
from medgraft.registry.verification import verify


def rewritten(study: Study, folder: Path, rows: pl.DataFrame) -> Path:
    shutil.copytree(study.evaluation, folder)
    rows.write_parquet(folder / "predictions.parquet")
    return folder


def predictions(study: Study) -> pl.DataFrame:
    return pl.read_parquet(study.evaluation / "predictions.parquet")


def test_package_repeats_every_evaluated_probability(study: Study, package: Path) -> None:
    assert 0 <= verify(package, "solid", study.dataset, study.evaluation) < 1e-5


def test_refuses_a_package_of_another_candidate(study: Study, package: Path) -> None:
    with pytest.raises(UserError, match=r"deviate by up to \d.*nothing was registered"):
        verify(package, "shaky", study.dataset, study.evaluation)


@pytest.mark.parametrize("changed", [[0.5, 0.5001], [float("nan")] * 2])
def test_one_deviating_image_is_enough(study: Study, package: Path, tmp_path: Path, changed: list[float]) -> None:
    rows = predictions(study)
    last = (pl.col("candidate") == "solid") & (pl.col("image_id") == rows["image_id"][-1])
    altered = rows.with_columns(pl.when(last).then(pl.lit(changed)).otherwise("probabilities").alias("probabilities"))
    with pytest.raises(UserError, match="not the one evaluated"):
        verify(package, "solid", study.dataset, rewritten(study, tmp_path / "evaluation", altered))


def test_refuses_when_an_image_was_not_evaluated(study: Study, package: Path, tmp_path: Path) -> None:
    rows = predictions(study)
    fewer = rewritten(study, tmp_path / "evaluation", rows.filter(pl.col("image_id") != rows["image_id"][0]))
    with pytest.raises(UserError, match="1 images are in only one of"):
        verify(package, "solid", study.dataset, fewer)
