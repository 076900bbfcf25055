import shutil
from pathlib import Path

import pytest
from tests.registry.study import Study

from medgraft.artifacts import read_json, write_json
from medgraft.errors import UserError
from medgraft.registry.winner import read_winner


@pytest.mark.parametrize(("kind", "where"), [("dataset", "dataset"), ("candidate", "candidates/shaky")])
def test_refuses_an_evaluation_of_something_else(study: Study, tmp_path: Path, kind: str, where: str) -> None:
    folder = shutil.copytree(study.plan.parent, tmp_path / "study")
    card = read_json(folder / where / "card.json")
    write_json(folder / where / "card.json", card | {"fingerprint": "0" * 32})
    with pytest.raises(UserError, match=f"made from another {kind} .*run `medgraft evaluate` again"):
        read_winner(folder / "dataset", folder / "candidates", folder / "evaluation")
