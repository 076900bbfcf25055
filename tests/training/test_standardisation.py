"""Scales: deviations, none so small that an image not trained on could drown all others; constants have none."""

import numpy as np
import pytest

from medgraft.training.standardisation import LEAST_SCALE, standardisation


def test_scales_are_deviations_where_features_vary_alike() -> None:
    x = np.random.default_rng(0).normal(3, [1.0, 2.0, 4.0], (50, 3)).astype(np.float32)
    mean, scale = standardisation(x, [3])
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(scale, x.std(axis=0, dtype=np.float64))


def test_a_unit_that_was_off_in_all_images_but_one_does_not_drown_the_others_elsewhere() -> None:
    x = np.abs(np.random.default_rng(0).normal(size=(400, 8)))
    x[:, 5] = 0
    x[7, 5] = 1e-4  # its own deviation: 5e-6
    mean, scale = standardisation(x, [8])
    median = np.median(np.delete(scale, 5))
    assert scale[5] == pytest.approx(LEAST_SCALE * np.median([*np.delete(x, 5, 1).std(axis=0), 0.0]), rel=1e-12)
    assert (1.0 - mean[5]) / scale[5] < 1.2 / (LEAST_SCALE * median)  # it fires as its neighbours do


def test_each_backbone_is_measured_by_its_own_features() -> None:
    rng = np.random.default_rng(0)
    small, large = 1e-3 * rng.normal(size=(60, 4)), 1e3 * rng.normal(size=(60, 6))
    _, scale = standardisation(np.hstack([small, large]), [4, 6])
    np.testing.assert_allclose(scale, np.hstack([small, large]).std(axis=0))
    _, as_one = standardisation(np.hstack([small, large]), [10])
    assert (as_one[:4] > 1000 * scale[:4]).all()


def test_constants_have_no_scale_and_do_not_set_the_others() -> None:
    x = np.random.default_rng(0).normal(size=(40, 6))
    x[:, [0, 1, 2, 3]] = 0.1
    _, scale = standardisation(x, [6])
    assert np.isinf(scale[:4]).all()
    np.testing.assert_allclose(scale[4:], x[:, 4:].std(axis=0))
    _, nothing = standardisation(np.full((5, 2), 2.5), [2])
    assert np.isinf(nothing).all()
