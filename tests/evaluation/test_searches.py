from pathlib import Path

import pytest

from medgraft.artifacts import write_json
from medgraft.errors import UserError
from medgraft.evaluation.results import Candidate
from medgraft.evaluation.searches import searches


def candidate(folder: Path) -> Candidate:
    return Candidate(folder.name, folder, {}, {})


def test_records_of_those_that_searched(tmp_path: Path) -> None:
    record = {"finalists": ["layer3", "full"], "chosen": "full"}
    write_json(tmp_path / "cut" / "search.json", record)
    assert searches([candidate(tmp_path / "plain"), candidate(tmp_path / "cut")]) == {"cut": record}


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "cut" / "search.json", {})
    (tmp_path / "cut" / "search.json").write_text("{")
    with pytest.raises(UserError, match=r"search\.json is damaged"):
        searches([candidate(tmp_path / "cut")])
