from pathlib import Path

import pytest

from medgraft.errors import UserError
from medgraft.loading import read_yaml, validate
from medgraft.params import Params, Study


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_overrides(tmp_path: Path) -> None:
    path = _file(tmp_path, "study: {seeds: [0], augmentation: {flips: none}}\nsplit:\n")
    raw = read_yaml(
        path,
        [
            "study.seeds=[1, 2]",
            "study.augmentation.flips=both",
            "split.test=0.3",
            "registration.gate.minimum=0.7",
            "dataset.name=a=b",
            "dataset.ungrouped=true",
        ],
    )
    assert raw == {
        "study": {"seeds": [1, 2], "augmentation": {"flips": "both"}},
        "split": {"test": 0.3},
        "registration": {"gate": {"minimum": 0.7}},
        "dataset": {"name": "a=b", "ungrouped": True},
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("study.seeds", "write it as key.sub=value"),
        ("=3", "write it as key.sub=value"),
        ("study.seeds=[1", "not valid YAML"),
        ("study.seeds.first=1", "'seeds' holds a value, not settings"),
    ],
)
def test_bad_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(_file(tmp_path, "study: {seeds: [0]}"), [override])
    assert override in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a\n- b\n", "holds no mapping"),
        ("", "holds no mapping"),
        ("!!python/object/apply:os.system [id]", "not valid YAML"),
        ("candidates:\n  probe: {a: 1}\n  probe: {a: 2}\n", "the key 'probe' stands twice"),
        ("a: {b: [{c: 1, c: 2}]}", "the key 'c' stands twice"),
    ],
)
def test_files_that_are_no_params(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(_file(tmp_path, text), [])
    assert "params.yaml" in str(caught.value)


def test_anchors_and_merges_still_work(tmp_path: Path) -> None:
    text = "a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}\n"
    assert read_yaml(_file(tmp_path, text), [])["b"] == {"x": 1, "y": 3}


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml", [])
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: ü".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_yaml(path, [])


def test_every_mistake_has_its_sentence() -> None:
    raw = {
        "fraction": [1.0],
        "batch_size": 1,
        "imbalance": "weightd",
        "augmentation": {"flip": "both", "flips": "horizontl"},
        "seeds": ["a", 1],
    }
    study, problems = validate(Study, raw, "study")
    assert study is None
    text = "\n".join(problems)
    assert len(problems) == 6
    assert "study.fraction: unknown key (did you mean 'fractions'?); allowed: fractions, seeds, batch_size" in text
    assert "study.batch_size: input should be greater than or equal to 2, got 1" in text
    assert "study.imbalance: input should be 'weighted' or 'none', got 'weightd' (did you mean 'weighted'?)" in text
    assert "study.augmentation.flip: unknown key (did you mean 'flips'?); allowed: flips, rotation" in text
    assert "study.augmentation.flips" in text
    assert "(did you mean 'horizontal'?)" in text
    assert "study.seeds.0: " in text


def test_missing_keys_are_explained() -> None:
    _, problems = validate(Params, {"dataset": {}})
    text = "\n".join(problems)
    for name in (
        "dataset.name",
        "dataset.source",
        "dataset.reader",
        "dataset.classes",
        "initializations",
        "candidates",
    ):
        assert f"{name}: missing (" in text
    assert "registration: missing (Where the chosen model goes.)" in text
