"""Reports of made-up evaluations."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.evaluation.report.cohorts import FINDINGS, FIVE, GRADES
from tests.evaluation.report.evaluations import NAMES, make_evaluation
from tests.evaluation.report.searching import cut_search, fusion, source_search
from tests.evaluation.report.sources import Result

from medgraft.artifacts import read_json
from medgraft.evaluation.report import write_report


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """Make an evaluation and its report: {"folder", "arguments", "metrics", "selection", "failures", "html"}."""

    def make(**options: Any) -> Result:
        folder = tmp_path_factory.mktemp("evaluation")
        arguments = make_evaluation(folder, **options)
        write_report(folder, **arguments)
        return {
            "folder": folder,
            "arguments": arguments,
            "metrics": read_json(folder / "metrics.json"),
            "selection": read_json(folder / "selection.json"),
            "failures": read_json(folder / "failures.json"),
            "html": (folder / "report.html").read_text("utf-8"),
        }

    return make


@pytest.fixture(scope="session")
def binary(build: Callable[..., Result]) -> Result:
    """Four candidates, three fractions, three seeds."""
    return build(warnings=["No patient column: images of one patient may lie in both train and test."], openings=3)


@pytest.fixture(scope="session")
def five(build: Callable[..., Result]) -> Result:
    """Five classes, one of them not scored, one with withheld intervals."""
    return build(task="multiclass", classes=FIVE, rare="actinic keratosis")


@pytest.fixture(scope="session")
def single(build: Callable[..., Result]) -> Result:
    """One seed, all labels only, no subgroups."""
    return build(fractions=(1.0,), seeds=(0,), subgroups={})


@pytest.fixture(scope="session")
def ordinal(build: Callable[..., Result]) -> Result:
    """Five grades, one prediction a patient."""
    unit = {"of": "group", "aggregate": "mean"}
    return build(task="ordinal", classes=GRADES, unit=unit, fractions=(1.0,), seeds=(0, 1))


@pytest.fixture(scope="session")
def multilabel(build: Callable[..., Result]) -> Result:
    """Six findings, one of them not scored, some unknown; one prediction a study."""
    return build(task="multilabel", classes=FINDINGS, unit={"of": "study", "aggregate": "max"}, seeds=(0,))


@pytest.fixture(scope="session")
def searching(build: Callable[..., Result]) -> Result:
    """One candidate searched for a cut, one for an initialization; two join initializations by attention."""
    sources = ["imagenet", "xray_net", "drawn"]
    return build(
        names=(*NAMES, "source_best", "dvme_three", "dvme_two"),
        seeds=(0, 1),
        searches={NAMES[-1]: cut_search(), "source_best": source_search(sources)},
        fusions={"dvme_three": fusion(sources), "dvme_two": fusion(sources[:2])},
    )
