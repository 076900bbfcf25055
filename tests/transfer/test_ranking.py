from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.special import softmax
from tests.transfer.studies import initialization, study_run

from medgraft.networks.cuts import WHOLE
from medgraft.training.transferability_scores import leep, nce
from medgraft.transfer.ranking import rank


def test_scores_of_classes_are_of_the_weights_own_classifier(tmp_path: Path) -> None:
    plain = initialization("scratch")
    weight = torch.randn(4, 256, generator=torch.Generator().manual_seed(0)) / 10
    bias = torch.tensor([0.0, 0.5, -0.5, 0.0])
    source = replace(plain, classifier={"weight": weight, "bias": bias})
    run = study_run(tmp_path, "ordinal", [source], [])
    *cut, whole = rank(source, run.data, run.window, run.compute)
    assert whole["place"] == WHOLE
    assert all(row["scores"]["leep"] is row["scores"]["nce"] is None for row in cut)
    rows = pl.concat([run.data.train, run.data.validation])
    examples = run.store_of("scratch", [WHOLE]).examples(run.data, rows)
    told = softmax(examples.whole @ weight.numpy().T + bias.numpy(), axis=1).astype(np.float64)
    for name, score in (("leep", leep), ("nce", nce)):
        assert whole["scores"][name]["estimate"] == pytest.approx(
            score(told, examples.labels.astype(np.int64)), rel=1e-4
        )
    (unknown,) = (row for row in rank(plain, run.data, run.window, run.compute) if row["place"] == WHOLE)
    assert unknown["scores"]["leep"] is None


def test_a_backbone_without_cuts_is_ranked_whole(tmp_path: Path) -> None:
    source = initialization("scratch", "poolformer_s12")
    run = study_run(tmp_path, "binary", [source], [])
    (row,) = rank(source, run.data, run.window, run.compute)
    assert row["place"] == WHOLE
    assert row["scores"]["logme"]["estimate"] is not None
