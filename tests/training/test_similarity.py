"""CKA: one for the same view up to rotation and scale, near zero for views that share nothing, however wide."""

import numpy as np
import pytest
from numpy.typing import NDArray

from medgraft.training.similarity import linear_cka


def test_rotation_scale_and_shift_do_not_count() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 20)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    moved = (3 * features @ rotation + 5).astype(np.float32)
    assert linear_cka(features, moved) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("width", [10, 2000])
def test_unrelated_features_are_near_zero_however_many(width: int) -> None:
    # The plain estimate of 2,000 features of 60 images would be near one.
    rng = np.random.default_rng(1)
    draws = [rng.normal(size=(2, 60, width)).astype(np.float32) for _ in range(20)]
    values = [linear_cka(one, other) for one, other in draws]
    assert abs(np.mean(values)) < 0.03


def test_it_equals_the_definition_over_pairs_of_images() -> None:
    # HSIC_u (Song et al. 2012, equation 4) summed over distinct indices, for six images.
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(6, 3)), rng.normal(size=(6, 4))

    def hsic(k: NDArray[np.float64], m: NDArray[np.float64]) -> float:
        n = range(6)
        pairs = [(i, j) for i in n for j in n if i != j]
        first = np.mean([k[i, j] * m[i, j] for i, j in pairs])
        four = [(i, j, q, r) for i, j in pairs for q in n for r in n if len({i, j, q, r}) == 4]
        second = np.mean([k[i, j] * m[q, r] for i, j, q, r in four])
        three = [(i, j, q) for i, j in pairs for q in n if len({i, j, q}) == 3]
        third = np.mean([k[i, j] * m[i, q] for i, j, q in three])
        return float(first + second - 2 * third)

    k, m = one @ one.T, other @ other.T
    expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert linear_cka(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(expected, abs=1e-5)


def test_constant_features_have_no_similarity() -> None:
    assert np.isnan(linear_cka(np.ones((10, 3), np.float32), np.eye(10, 3, dtype=np.float32)))
