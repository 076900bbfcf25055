import numpy as np
import pytest
from PIL import Image
from tests.data.pictures import COPIES, Pixels, cell, changed, jpeg, picture

from medgraft.data.alike import ASPECT, LARGEST, SAME, SAME_INSIDE, SMALLEST, comparable, gray, likeness


def test_the_correlation_is_pearsons() -> None:
    a, b = picture(1, 40, 50), picture(2, 40, 50)
    found = likeness(gray(a), gray(b))
    assert found.correlation == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6)
    assert not found.same


def test_a_picture_is_itself_whatever_is_first() -> None:
    a, b = gray(picture(1)), gray(changed(picture(1), COPIES["double size"]))
    assert likeness(a, a).correlation == pytest.approx(1)
    assert likeness(a, b) == likeness(b, a)
    assert likeness(a, b).same


@pytest.mark.parametrize("ground", [0, 255])
def test_one_outline_is_not_one_picture(ground: int) -> None:
    for seed in range(10):
        found = likeness(gray(cell(seed, ground)), gray(cell(seed + 100, ground)))
        assert found.correlation >= SAME  # the outline alone suffices for that
        assert found.inside is not None
        assert found.inside < SAME_INSIDE
        assert not found.same


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("kind", sorted({*COPIES} - {"JPEG 30"}))  # which drowns so faint a pattern in noise
def test_copies_of_one_outline_are_recognised(kind: str, ground: int) -> None:
    for seed in range(5):
        assert likeness(gray(cell(seed, ground)), gray(changed(cell(seed, ground), COPIES[kind]))).same


def test_without_contrast_nothing_is_common() -> None:
    flat = np.full((40, 40, 1), 90, np.uint8)
    assert likeness(gray(flat), gray(flat)).correlation == 0
    assert not likeness(gray(flat), gray(flat)).same
    assert likeness(gray(flat), gray(picture(1, 40, 40))).correlation == 0


def test_with_nothing_inside_it_is_not_decided() -> None:
    mask = ((picture(1) > 120) * 255).astype(np.uint8)
    found = likeness(gray(mask), gray(changed(mask, jpeg(95))))
    assert found.correlation > 0.99
    assert found.inside is None
    assert not found.same


def fits(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return bool(comparable(np.array(size, float), np.array([other], float))[0])


def test_only_resized_copies_are_comparable() -> None:
    assert fits((100, 200), (50, 100))
    assert fits((121, 224), (60, 112))  # halved, and rounded
    assert fits((100, 1000), (100, round(1000 * (1 + ASPECT)) - 1))
    assert not fits((100, 1000), (100, round(1000 * (1 + ASPECT)) + 1))
    assert not fits((100, 200), (200, 100))
    assert not fits((100, 100), (SMALLEST - 1, SMALLEST - 1))
    assert fits((100, 100), (SMALLEST, SMALLEST))


@pytest.mark.parametrize(
    ("shape", "size"), [((600, 300), (128, 256)), ((300, 900), (256, 85)), ((1, 5_000), (256, 1)), ((90, 60), (60, 90))]
)
def test_large_pictures_are_reduced(shape: tuple[int, int], size: tuple[int, int]) -> None:
    reduced = gray(picture(1, *shape))
    assert reduced.size == size
    assert max(reduced.size) <= LARGEST


def test_colours_become_gray() -> None:
    colour: Pixels = picture(1, channels=3)
    assert np.array_equal(np.asarray(gray(colour)), np.asarray(Image.fromarray(colour).convert("L")))
