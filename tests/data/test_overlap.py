import json
import shutil
from pathlib import Path

import pytest
from tests.data.pictures import changed, jpeg, look_alike, picture
from tests.data.sources import Ingested, encoded, ingest_pictures

from medgraft.data.dataset import read_rows
from medgraft.data.near_duplicates import LOOKS
from medgraft.data.overlap import exposed_together, exposure, refuse_overlap
from medgraft.errors import UserError

ALIKE = "of 220 validation and test images look like one that initialization 'source' has seen"


def test_what_was_trained_on_train_has_not_seen_the_judged(ingested: Ingested) -> None:
    seen = exposure(ingested.dataset, ["train"])
    rows = read_rows(ingested.dataset, ["train"])
    assert seen["groups"] == sorted(set(rows["group_id"]))
    assert seen["images"] == sorted(rows["image_id"])
    assert seen["hashes"] == sorted(rows["phash"])
    assert seen["datasets"] == [ingested.card["fingerprint"]]
    assert not refuse_overlap("source", seen, ingested.dataset)
    assert not refuse_overlap("public", seen | {"groups": [], "images": [], "hashes": []}, ingested.dataset)


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("kind", ["groups", "images"])
def test_one_common_patient_or_image_is_refused(ingested: Ingested, split: str, kind: str) -> None:
    seen = exposure(ingested.dataset, [split])
    one = {"key_id": seen["key_id"], "groups": [], "images": [], "hashes": [], kind: seen[kind][:1]}
    found = "1 patients and 0 images" if kind == "groups" else "0 patients and 1 images"
    with pytest.raises(UserError, match=f"'source' has seen {found} of this dataset's validation or test split"):
        refuse_overlap("source", one, ingested.dataset)


def test_other_keys_cannot_be_compared(ingested: Ingested, tmp_path: Path) -> None:
    seen = exposure(ingested.dataset, ["train"])
    copy = tmp_path / "dataset"
    shutil.copytree(ingested.dataset, copy)
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"key_id": "00000000"}))
    with pytest.raises(UserError, match=f"group key {seen['key_id']}, this one has 00000000.*same group key"):
        refuse_overlap("source", seen, copy)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """216 pictures, and 4 that look alike."""
    pictures = {f"s{i}": encoded(picture(i, 32, 32)[:, :, 0]) for i in range(1, 217)}
    alike = {f"a{i}": encoded(look_alike(i)[:, :, 0]) for i in range(4)}
    return ingest_pictures(tmp_path_factory.mktemp("source"), pictures | alike)


def ingest_judged(folder: Path, images: dict[str, bytes]) -> Ingested:
    """A set of which everything is test: those images, and others up to 220."""
    others = {f"t{i}": encoded(picture(1000 + i, 32, 32)[:, :, 0]) for i in range(220 - len(images))}
    return ingest_pictures(folder, images | others, only_test=True)


def test_copies_under_other_pixels_are_suspects_without_the_source_and_refused_with_it(
    source: Ingested, tmp_path: Path
) -> None:
    copies = {f"t_{i}": encoded(changed(picture(i, 32, 32), jpeg(75))[:, :, 0]) for i in range(1, 4)}
    judged = ingest_judged(tmp_path, copies)
    seen = exposure(source.dataset, ["train", "validation", "test"])
    (warning,) = refuse_overlap("source", seen, judged.dataset)
    assert warning.startswith(f"3 {ALIKE}")
    with pytest.raises(
        UserError, match=r"'source' has seen 3 images, under other pixels .* so every figure would leak"
    ):
        refuse_overlap("source", seen, judged.dataset, source.dataset)


def test_look_alikes_are_cleared_by_their_pixels(source: Ingested, tmp_path: Path) -> None:
    judged = ingest_judged(tmp_path, {f"t_{i}": encoded(look_alike(500 + i)[:, :, 0]) for i in range(4)})
    seen = exposure(source.dataset, ["train", "validation", "test"])
    (warning,) = refuse_overlap("source", seen, judged.dataset)
    assert warning.startswith(f"4 {ALIKE}")
    assert not refuse_overlap("source", seen, judged.dataset, source.dataset)


def test_too_many_look_alikes_are_not_cleared(source: Ingested, tmp_path: Path) -> None:
    judged = ingest_judged(tmp_path, {f"t_{i}": encoded(look_alike(500 + i)[:, :, 0]) for i in range(LOOKS + 1)})
    seen = exposure(source.dataset, ["train", "validation", "test"])
    (warning,) = refuse_overlap("source", seen, judged.dataset, source.dataset)
    assert ALIKE in warning
    assert "not all could be compared by their pixels" in warning


def test_another_dataset_at_the_sources_place_decides_nothing(
    source: Ingested, ingested: Ingested, tmp_path: Path
) -> None:
    judged = ingest_judged(tmp_path, {"t_0": encoded(changed(picture(1, 32, 32), jpeg(75))[:, :, 0])})
    seen = exposure(source.dataset, ["train", "validation", "test"])
    for other in (ingested.dataset, tmp_path / "gone"):
        (warning,) = refuse_overlap("source", seen, judged.dataset, other)
        assert warning.startswith(f"1 {ALIKE}")


def test_exposures_add_up(ingested: Ingested, source: Ingested) -> None:
    one, other = exposure(ingested.dataset, ["train"]), exposure(source.dataset, ["train"])
    both = exposed_together([one, other])
    for part in ("datasets", "groups", "images", "hashes"):
        assert both[part] == sorted({*one[part], *other[part]})
    assert both["key_id"] == one["key_id"]
    assert exposed_together([one]) == one


def test_exposures_without_hashes_are_told_of(ingested: Ingested) -> None:
    seen = exposure(ingested.dataset, ["train"])
    old = {part: seen[part] for part in ("key_id", "groups", "images")}
    (warning,) = refuse_overlap("source", old, ingested.dataset)
    assert "made before perceptual hashes were kept" in warning
    assert "hashes" not in exposed_together([seen, old])
