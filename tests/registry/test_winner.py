import shutil
from pathlib import Path

import pytest
from tests.evaluation.report.cohorts import FINDINGS
from tests.registry.evaluated import winner_of
from tests.registry.study import Study

from medgraft.artifacts import read_json, write_json
from medgraft.errors import UserError
from medgraft.registry.winner import Winner, read_winner


@pytest.mark.parametrize(("kind", "where"), [("dataset", "dataset"), ("candidate", "candidates/shaky")])
def test_refuses_an_evaluation_of_something_else(study: Study, tmp_path: Path, kind: str, where: str) -> None:
    folder = shutil.copytree(study.plan.parent, tmp_path / "study")
    card = read_json(folder / where / "card.json")
    write_json(folder / where / "card.json", card | {"fingerprint": "0" * 32})
    with pytest.raises(UserError, match=f"made from another {kind} .*run `medgraft evaluate` again"):
        read_winner(folder / "dataset", folder / "candidates", folder / "evaluation")


def test_thresholds_of_findings(winner: Winner, tmp_path: Path) -> None:
    of = winner_of(tmp_path, winner, task="multilabel", classes=FINDINGS, fractions=(1.0,), seeds=(0,))
    per_class = of.figures["test"]["per_class"]
    assert of.decision_thresholds == {label: per_class[label]["decision_threshold"] for label in FINDINGS}
    assert list(of.operating_thresholds) == ["specificity", "sensitivity"]
    for target, thresholds in of.operating_thresholds.items():
        assert list(thresholds) == of.metrics["scored"]
        points = {p["class"]: p["threshold"] for p in of.figures["test"]["operating"] if p["target"] == target}
        assert thresholds == points
