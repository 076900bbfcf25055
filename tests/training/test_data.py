"""What a run trains on: labels of every task, fractions that hold what is scored, and refusals."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.training.datasets import findings, grades, known_count, write_dataset

from medgraft.data.dataset import read_rows
from medgraft.data.labels import Label
from medgraft.errors import UserError
from medgraft.networks.network import EIGHT_BITS
from medgraft.training.data import TrainingData, training_data
from medgraft.training.pixels import open_pixels

FINDINGS = ("effusion", "mass", "hernia")
GRADES = ("0", "1", "2", "3")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {"train": grades(80), "validation": grades(16), "test": grades(16)}
    return write_dataset(tmp_path_factory.mktemp("graded"), "ordinal", GRADES, labels)


@pytest.fixture(scope="module")
def multilabel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {"train": findings(80), "validation": findings(40), "test": findings(40)}
    folder = tmp_path_factory.mktemp("multilabel")
    return write_dataset(folder, "multilabel", FINDINGS, labels, scored=FINDINGS[:2])


def test_multilabel_labels_are_floats_with_nan_where_unknown(multilabel: Path, tmp_path: Path) -> None:
    data = training_data(multilabel)
    assert data.task == "multilabel"
    assert len(data.train) == known_count(findings(80)) == 72  # rows of which nothing is known are left out
    assert len(data.validation) == 36
    images = data.images(data.train, open_pixels(multilabel, 16, EIGHT_BITS, tmp_path))
    assert images.labels.dtype == np.float32
    assert images.labels.shape == (72, 3)
    stored = read_rows(multilabel, ["train"]).filter(pl.col("image_id").is_in(data.train["image_id"].to_list()))
    expected = [[np.nan if truth is None else truth for truth in row] for row in stored["labels"].to_list()]
    np.testing.assert_array_equal(images.labels, np.array(expected, dtype=np.float32))
    assert np.isnan(images.labels[:, 1]).sum() > 20


def test_labels_of_classes_that_exclude_each_other_are_indices(graded: Path, tmp_path: Path) -> None:
    data = training_data(graded)
    images = data.images(data.train, open_pixels(graded, 16, EIGHT_BITS, tmp_path))
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == data.train["label"].to_list()
    assert (data.truths(data.train).argmax(axis=1) == images.labels).all()


def test_fractions_hold_whole_patients_and_every_grade(graded: Path) -> None:
    data = training_data(graded)
    part, whole = data.fraction(0.25, 1), data.fraction(1.0, 1)
    assert whole.equals(data.train)
    assert len(part) == 20
    assert set(part["label"]) == {0, 1, 2, 3}
    outside = data.train.filter(~pl.col("image_id").is_in(part["image_id"].to_list()))
    assert not set(part["group_id"]) & set(outside["group_id"])
    with pytest.raises(UserError, match=r"hold no image of [0-3](, of [0-3])*; choose a larger fraction"):
        data.fraction(0.05, 1)


def test_a_fraction_needs_an_image_with_and_one_without_every_scored_finding(multilabel: Path) -> None:
    data = training_data(multilabel)
    part = data.truths(data.fraction(0.5, 0))
    for truth in (1, 0):
        assert (part[:, :2] == truth).any(axis=0).all()
    only = data.train.filter(data.train["labels"].list.get(0) == 1)  # effusion in every image: nothing to tell apart
    with pytest.raises(UserError, match="hold no image without effusion; ingest a set with more patients"):
        TrainingData(data.folder, data.card, only, data.validation).fraction(1.0, 0)
    never = data.train.filter(pl.Series(data.truths(data.train)[:, 1] != 1))
    with pytest.raises(UserError, match="hold no image with mass"):
        TrainingData(data.folder, data.card, never, data.validation).fraction(1.0, 0)
    unscored = data.train.filter(pl.Series(data.truths(data.train)[:, 2] == 0))  # hernia is not scored
    assert len(TrainingData(data.folder, data.card, unscored, data.validation).fraction(1.0, 0)) == len(unscored)


@pytest.mark.parametrize("present", [("test",), ("train", "test")])
def test_a_set_without_train_or_validation_is_refused(present: tuple[str, ...], tmp_path: Path) -> None:
    labels: dict[str, list[Label | None]] = {name: grades(8) for name in present}
    write_dataset(tmp_path, "ordinal", GRADES, labels)
    with pytest.raises(UserError, match=r"no images in (train and )?validation.*split\.only_test"):
        training_data(tmp_path)
