import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.evaluation.report.evaluations import NAMES, make_evaluation
from tests.evaluation.report.searching import cut_search

from medgraft.artifacts import write_card
from medgraft.evaluation.leaderboard import leaderboard_table


@pytest.mark.parametrize("searching", [True, False])
def test_looks_are_told_where_there_are_more_than_candidates(tmp_path: Path, searching: bool) -> None:
    searches = {NAMES[3]: cut_search()} if searching else {}
    make_evaluation(tmp_path, fractions=(1.0,), seeds=(0, 1), searches=searches)
    write_card(tmp_path, "evaluation", "0" * 32, {})
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(leaderboard_table(tmp_path))
    text = console.export_text()
    assert all(name in text for name in NAMES)
    assert ("6 looks at validation by 4 candidates" in text) is searching
    assert ("looks" in text) is searching
