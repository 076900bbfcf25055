"""Several labels an image: a column a class that says 1, 0, -1 or nothing, or one cell that lists what is present."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from medgraft.data.readers.reader import ReaderSettings

Uncertain = Literal["unknown", "ones", "zeros"]
Blank = Literal["unknown", "zeros"]
# 1 (present), 0 (absent) or None (unknown) by class, or None and why there are none: the problem of the record.
Truths = tuple[dict[str, int | None] | None, str | None]

# What a cell of -1 and an empty one become. The names of Irvin et al. 2019 (https://arxiv.org/abs/1901.07031,
# section "Models"): U-Ignore, U-Ones, U-Zeros.
UNCERTAIN: Mapping[Uncertain, int | None] = {"unknown": None, "ones": 1, "zeros": 0}
BLANK: Mapping[Blank, int | None] = {"unknown": None, "zeros": 0}

NO_TRUTH = "a label that is not 1, 0, -1 or blank"
NO_CLASS = "a label that is not among the reader's labels"
CONTRADICTION = "a finding beside the word for no finding"


class MultilabelSettings(ReaderSettings):
    """What readers of several labels an image are told about labels that do not say yes or no."""

    uncertain: Uncertain = Field("unknown", description="What a label of -1 becomes: unknown, present or absent.")
    blank: Blank = Field("unknown", description="What an empty label becomes: unknown, or absent.")


def truths_of_row(row: Mapping[str, Any], columns: Sequence[str], uncertain: Uncertain, blank: Blank) -> Truths:
    """Truths of a row that has a column for each class; one cell that says anything else spoils the whole row."""
    meanings = {1.0: 1, 0.0: 0, -1.0: UNCERTAIN[uncertain], None: BLANK[blank]}
    said = {column: _number(row[column]) for column in columns}
    if not all(value in meanings for value in said.values()):
        return None, NO_TRUTH
    return {column: meanings[value] for column, value in said.items()}, None


def truths_of_list(named: Iterable[str], classes: Sequence[str], negative: str | None, blank: Blank) -> Truths:
    """Truths of a row that names what is present: all else is absent.

    `negative` is the word for "nothing was found". A row that names nothing at all is blank.
    """
    present = {name.strip() for name in named} - {""}
    if not present:
        return dict.fromkeys(classes, BLANK[blank]), None
    findings = present - {negative}
    if findings != present and findings:
        return None, CONTRADICTION
    if not findings <= set(classes):
        return None, NO_CLASS
    return {name: int(name in findings) for name in classes}, None


def _number(cell: Any) -> float | None:  # noqa: ANN401  (a cell of any type)
    """The number in a cell; None where it is empty (NaN, in a file of pandas), NaN where it is something else."""
    value = cell.strip() or None if isinstance(cell, str) else cell
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
