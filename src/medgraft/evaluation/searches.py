"""What candidates that searched have tried: one file in the evaluation, so that the report needs no candidate."""

from collections.abc import Sequence
from typing import Any

from medgraft.artifacts import SEARCH, read_json
from medgraft.evaluation.results import Candidate

SEARCHES = "searches.json"


def searches(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The records of their searches by candidate, without those that did not search; raises `UserError` if damaged."""
    files = {candidate.name: candidate.folder / SEARCH for candidate in candidates}
    return {name: read_json(file) for name, file in files.items() if file.is_file()}
