from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medgraft.networks.network import read_spec
from medgraft.registry.card import interval, model_card
from medgraft.registry.winner import Winner

FIGURE = {"estimate": 0.9, "low": 0.8, "high": 0.95, "undefined_share": 0.0, "se": 0.04}


def rendered(winner: Winner, openings: int = 1) -> str:
    return model_card(winner, read_spec(winner.folder), "nodules", openings, {"dataset": "abc"})


def test_says_what_a_stranger_must_know(winner: Winner) -> None:
    card = rendered(winner)
    auroc = interval(winner.figures["test"]["macro"]["auroc"])
    for said in (
        "**Not a medical device.**",
        "`nodule, solid/part-solid` (positive)",
        "- Made-up pictures.",
        "| test | 32 | 16 | 16 | 16 |",
        "Licence of the data: CC0-1.0.",
        f"| AUROC | {auroc} |",
        "temperature 1.7000",
        "largest on validation (Youden 1950)",
        "| solid **(this model)** |",
        "Initial weights `imagenet` (random): drawn; licence: none needed.",
        "Trained on 24 images of 12 patients for 100 steps",
        "| dataset | `abc` |",
    ):
        assert said in card
    assert "have been opened" not in card


def test_tells_that_the_test_set_was_opened_before(winner: Winner) -> None:
    assert "have been opened 4 times" in rendered(winner, openings=4)


def test_every_table_row_has_as_many_cells_as_its_head(winner: Winner) -> None:
    blocks = [block.splitlines() for block in rendered(winner).split("\n\n") if block.startswith("|")]
    assert len(blocks) == 6
    for block in blocks:
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1
        assert set(block[1]) <= set("|-:")


def test_several_classes(winner: Winner) -> None:
    metrics: dict[str, Any] = dict(winner.metrics)
    classes = ["clear", "a|b", "rare"]
    figures = dict(winner.figures)
    per_class = figures["test"]["per_class"]["clear"]
    figures["test"] = figures["test"] | {
        "per_class": dict.fromkeys(classes, per_class),
        "decision_threshold": None,
        "seeds": {"values": [0.9, 0.8], "sd": 0.07},
    }
    metrics |= {
        "task": "multiclass",
        "classes": classes,
        "scored": ["clear", "a|b"],
        "unscored": {"rare": "2 positive patients in test"},
        "candidates": {winner.name: figures},
    }
    splits = {"test": {"images": 3, "groups": 3, "labels": dict.fromkeys(classes, 1)}}
    card = rendered(replace(winner, metrics=metrics, dataset=winner.dataset | {"splits": splits}))
    assert "3 classes, which exclude each\nother: `clear`, `a|b`, `rare`" in card
    assert "| a\\|b | 16 in 8 patients |" in card
    assert "| rare |" not in card.split("## Figures")[1]
    assert "`rare` is predicted but not scored: 2 positive patients in test." in card
    assert "the likeliest class" in card
    assert "0.900, 0.800\n(standard deviation 0.070)" in card


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "0.900 (0.800 to 0.950)"),
        ({"low": None, "high": None, "undefined_share": 0.034}, "0.900 (no interval: undefined in 3.4% of draws)"),
        ({"estimate": None, "low": None, "high": None}, "undefined"),
    ],
)
def test_an_interval_or_why_there_is_none(change: dict[str, Any], text: str) -> None:
    assert interval(FIGURE | change) == text


def test_template_lies_in_the_package() -> None:
    assert (Path(__file__).parents[2] / "src/medgraft/registry/model_card.md").is_file()
