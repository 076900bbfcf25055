import csv
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.pictures import COPIES, Pixels, cell, changed, picture
from tests.shared import shared_data

from medgraft.data.alike import Likeness, likeness
from medgraft.data.hamming import BLANK
from medgraft.data.near_duplicates import LISTED, LOOKS, Found, Pair, Pictured, find, perceptual_hash


def found_among(pictures: Sequence[Pixels]) -> Found:
    """What is found among pictures that are all in memory; each may be loaded once only."""
    waiting = dict(enumerate(pictures))
    return find([Pictured(perceptual_hash(p), p.shape[:2]) for p in pictures], waiting.pop)


def recalled(originals: Sequence[Pixels], copies: Sequence[Pixels]) -> int:
    """How many copies are tied to their originals."""
    together = found_among([*originals, *copies]).copies
    return sum(any({i, len(originals) + i} <= set(group) for group in together) for i in range(len(originals)))


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("shape", [(64, 64, 1), (50, 90, 3), (400, 300, 1)])
def test_copies_are_verified(shape: tuple[int, int, int], kind: str) -> None:
    originals = [picture(seed, *shape) for seed in range(8)]
    assert recalled(originals, [changed(p, COPIES[kind]) for p in originals]) == len(originals)


def test_different_pictures_stay_apart() -> None:
    assert found_among([picture(seed) for seed in range(100)]) == Found([], [], False, 0)


def test_look_alikes_are_suspects_only() -> None:
    crowd = [cell(seed) for seed in range(6)]
    found = find([Pictured(perceptual_hash(crowd[0]), (64, 64))] * 6, crowd.__getitem__)
    assert not found.verified
    assert found.suspect_count == len(found.suspects) == 6 * 5 // 2
    assert all(pair.a < pair.b and pair.correlation > 0.9 for pair in found.suspects)
    assert all(first.correlation >= second.correlation for first, second in pairwise(found.suspects))


def test_pairs_say_how_near_they_are_and_come_in_order() -> None:
    a, b = picture(1), picture(2)
    again = [changed(picture(seed), COPIES["JPEG 75"]) for seed in (2, 1)]
    found = found_among([a, b, *again])
    assert [(pair.a, pair.b) for pair in found.verified] == [(0, 3), (1, 2)]
    pair = found.verified[0]
    assert pair.distance == (perceptual_hash(a) ^ perceptual_hash(again[1])).bit_count()
    assert pair.correlation == pytest.approx(np.corrcoef(a.ravel(), again[1].ravel())[0, 1], abs=1e-6)
    assert found_among([a, b, *again]) == found


def test_a_crowd_of_copies_is_tied_by_as_many_pairs_as_it_needs() -> None:
    rng = np.random.default_rng(0)
    grain = [rng.integers(-2, 3, (64, 64, 1)) for _ in range(60)]
    found = found_among([(picture(1) + g).astype(np.uint8) for g in grain])
    assert len(found.verified) == 59
    assert found.copies == [list(range(60))]
    assert (found.suspect_count, found.bounded) == (0, False)


def test_a_crowd_of_look_alikes_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Likeness] = []

    def counted(a: Image.Image, b: Image.Image) -> Likeness:
        looks.append(likeness(a, b))
        return looks[-1]

    monkeypatch.setattr("medgraft.data.near_duplicates.likeness", counted)
    crowd = [cell(seed) for seed in range(40)]
    one = perceptual_hash(crowd[0])
    found = find([Pictured(one, (64, 64))] * 40, crowd.__getitem__)
    assert found.bounded
    assert found.suspect_count == 40 * 39 // 2
    assert len(found.suspects) == LISTED
    assert len(looks) <= 40 * LOOKS + LISTED


def test_a_copy_is_found_in_a_crowd_that_is_bounded() -> None:
    crowd = [*(cell(seed) for seed in range(40)), changed(cell(7), COPIES["JPEG 75"])]
    found = find([Pictured(perceptual_hash(crowd[0]), (64, 64))] * 41, crowd.__getitem__)
    assert found.bounded
    assert [(pair.a, pair.b) for pair in found.verified] == [(7, 40)]


def test_other_proportions_volumes_and_blank_pictures_are_not_compared() -> None:
    one = picture(1)
    hashed = perceptual_hash(one)

    def load(_: int) -> Pixels:
        raise AssertionError("nothing had to be loaded")

    items = [Pictured(hashed, (64, 64)), Pictured(hashed, (64, 70)), *[Pictured(None, (64, 64, 9))] * 2]
    assert find([*items, *[Pictured(BLANK, (64, 64))] * 2], load) == Found([], [], False, 0)
    assert find([], load) == Found([], [], False, 0)


def test_copies_of_copies_are_together() -> None:
    pairs = [Pair(a, b, 0, 1.0, 1.0) for a, b in ((0, 4), (1, 2), (4, 6), (3, 6), (2, 5))]
    assert Found(pairs, [], False).copies == [[0, 3, 4, 6], [1, 2, 5]]


def pictures_of(folder: Path, number: int | None = None) -> list[Pixels]:
    files = sorted((folder / "images").iterdir())
    chosen = files if number is None else random.Random(0).sample(files, number)
    images = [np.asarray(Image.open(file).convert("L")) for file in chosen]
    return [image[:, :, None] for image in images if np.ptp(image) > 0]


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", ["malaria_cells", "nih_cxr_multilabel", "knee_kl_grade_ordinal"])
def test_copies_of_medical_images_are_verified(name: str, kind: str) -> None:
    originals = pictures_of(shared_data(name), 30)
    assert recalled(originals, [changed(p, COPIES[kind]) for p in originals]) >= len(originals) - 1


def test_red_cells_of_different_patients_stay_apart() -> None:
    folder = shared_data("malaria_cells")
    rows = list(csv.DictReader((folder / "labels.csv").open(encoding="utf-8")))
    cells = [np.asarray(Image.open(folder / f"images/{row['image_id']}.png"))[:, :, None] for row in rows]
    found = found_among(cells)
    joined = {i for p in found.verified if rows[p.a]["patient_id"] != rows[p.b]["patient_id"] for i in (p.a, p.b)}
    assert len(joined) < 0.01 * len(rows)
    assert found.suspect_count > 50  # there are look-alikes to be deceived by
