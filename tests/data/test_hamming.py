import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.data.pictures import changed, picture, resized
from tests.shared import shared_data

from medgraft.data.hamming import BLANK, NEAR, near, near_earlier, perceptual_hash


def bits_between(a: int, b: int) -> int:
    return (a ^ b).bit_count()


@pytest.mark.parametrize("shape", [(64, 64), (28, 28), (50, 90), (150, 100)])
def test_the_hash_is_the_librarys(shape: tuple[int, int]) -> None:
    for seed in range(50):
        pixels = picture(seed, *shape)
        assert f"{perceptual_hash(pixels):016x}" == str(imagehash.phash(Image.fromarray(pixels[:, :, 0])))


def test_the_hash_is_the_librarys_for_real_images() -> None:
    for file in sorted((shared_data("nih_cxr_multilabel") / "images").iterdir())[:100]:
        image = Image.open(file).convert("L")
        assert f"{perceptual_hash(np.asarray(image)[:, :, None]):016x}" == str(imagehash.phash(image))


@pytest.mark.parametrize("factor", [0.5, 1.7, 3, 10])
def test_it_hardly_depends_on_the_size(factor: float) -> None:
    for seed in range(20):
        pixels = picture(seed)
        assert bits_between(perceptual_hash(pixels), perceptual_hash(changed(pixels, resized(factor)))) <= NEAR


def test_it_tells_pictures_apart_and_sees_no_colour() -> None:
    hashes = [perceptual_hash(picture(seed)) for seed in range(30)]
    assert min(bits_between(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > NEAR
    assert perceptual_hash(np.repeat(picture(1), 3, axis=2)) == hashes[1]


def test_without_contrast_there_is_no_hash() -> None:
    flat = np.full((40, 60, 1), 7, np.uint8)
    assert perceptual_hash(flat) == BLANK
    grainy = flat + np.random.default_rng(0).integers(0, 3, flat.shape, dtype=np.uint8)
    assert perceptual_hash(grainy) == BLANK


def planted() -> NDArray[np.uint64]:
    """More hashes than are compared at a time, some of them 0 to 6 bits from an earlier one."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**64, 5_000, dtype=np.uint64)
    for copy, bits in enumerate((0, 1, 3, 4, 5, 6) * 20):
        flipped = sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False))
        hashes[4_900 - copy] = hashes[37 * copy] ^ np.uint64(flipped)
    return hashes


def test_near_pairs_are_those_of_a_plain_count() -> None:
    hashes = planted()
    table = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = {(i, j, int(table[i, j])) for i, j in zip(*np.nonzero(table <= NEAR), strict=True)}
    assert {(i, int(j), int(d)) for i, js, ds in near(hashes, hashes) for j, d in zip(js, ds, strict=True)} == expected
    earlier = {(i, int(j), int(d)) for i, js, ds in near_earlier(hashes) for j, d in zip(js, ds, strict=True)}
    assert earlier == {pair for pair in expected if pair[1] < pair[0]}
    assert len(earlier) >= 80


def test_they_come_in_order_and_blank_ones_not_at_all() -> None:
    one, other = 0xFFFFFFFF, 0xFFFFFFFD  # half of the bits are set in real ones
    hashes = np.array([one, BLANK, one, BLANK, other, one], np.uint64)
    found = [(i, js.tolist(), ds.tolist()) for i, js, ds in near_earlier(hashes)]
    assert found == [(2, [0], [0]), (4, [0, 2], [1, 1]), (5, [0, 2, 4], [0, 0, 1])]
    assert not list(near(hashes[[1, 3]], hashes))
    assert not list(near_earlier(np.array([], np.uint64)))
