"""Reports of made-up evaluations."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.evaluation.report.evaluations import FIVE, make_evaluation
from tests.evaluation.report.sources import Result

from medgraft.artifacts import read_json
from medgraft.evaluation.report import write_report


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """Make an evaluation and its report: {"folder", "arguments", "metrics", "selection", "html"}."""

    def make(**options: Any) -> Result:  # noqa: ANN401
        folder = tmp_path_factory.mktemp("evaluation")
        arguments = make_evaluation(folder, **options)
        write_report(folder, **arguments)
        return {
            "folder": folder,
            "arguments": arguments,
            "metrics": read_json(folder / "metrics.json"),
            "selection": read_json(folder / "selection.json"),
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
    return build(classes=FIVE, rare="actinic keratosis")


@pytest.fixture(scope="session")
def single(build: Callable[..., Result]) -> Result:
    """One seed, all labels only."""
    return build(fractions=(1.0,), seeds=(0,))
