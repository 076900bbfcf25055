import json
import shutil
from pathlib import Path

import pytest
from tests.data.sources import Ingested

from medgraft.data.dataset import read_rows
from medgraft.data.overlap import exposure, refuse_overlap
from medgraft.errors import UserError


def test_what_was_trained_on_train_has_not_seen_the_judged(ingested: Ingested) -> None:
    seen = exposure(ingested.dataset, ["train"])
    rows = read_rows(ingested.dataset, ["train"])
    assert seen["groups"] == sorted(set(rows["group_id"]))
    assert seen["images"] == sorted(rows["image_id"])
    refuse_overlap("source", seen, ingested.dataset)
    refuse_overlap("public", seen | {"groups": [], "images": []}, ingested.dataset)


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("kind", ["groups", "images"])
def test_one_common_patient_or_image_is_refused(ingested: Ingested, split: str, kind: str) -> None:
    seen = exposure(ingested.dataset, [split])
    one = {"key_id": seen["key_id"], "groups": [], "images": [], kind: seen[kind][:1]}
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
