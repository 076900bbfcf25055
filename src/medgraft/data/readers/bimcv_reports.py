"""Labels of the reports of BIMCV-COVID19, and what they say of each class (see `bimcv.py`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from medgraft.catalog import nearest
from medgraft.data.readers.multilabel import BLANK, UNCERTAIN, Blank, Truths, Uncertain
from medgraft.data.readers.table import open_table, rows, text
from medgraft.errors import UserError, raise_all

# Labels by which a report says that it does not tell: of PadChest's vocabulary, which the set shares.
UNTOLD = {"unchanged", "exclude", "suboptimal study"}
UNCERTAIN_FORM = "{} uncertain"
NO_LIST = "labels that are not a list"
TOKEN = re.compile(r"[\s,]+|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


class Session(NamedTuple):
    """A patient's examination, as its folders are called."""

    patient: str
    session: str


# The labels of all reports of a session, in lower case; None where one of them cannot be read.
Reports = Mapping[Session, set[str] | None]


def read_reports(source: Path, patterns: Sequence[str]) -> Reports:
    """The labels of every session in the tables; raises `UserError` where there is no table."""
    names = sorted({path.relative_to(source).as_posix() for pattern in patterns for path in source.glob(pattern)})
    if not names:
        raise UserError(f"dataset.source has no {' or '.join(patterns)}; unpack the archive with derivatives/ there")
    found: dict[Session, set[str] | None] = {}
    for name in names:
        for _, row in rows(name, open_table(source, name, ["PatientID", "ReportID", "Labels"])):
            session = Session(text(row["PatientID"]) or "", text(row["ReportID"]) or "")
            before, labels = found.get(session, set()), listed(text(row["Labels"]))
            found[session] = None if before is None or labels is None else before | labels
    return found


def listed(cell: str | None) -> set[str] | None:
    """The items of a list as Python writes it, with commas, tabs or both between them; None where it is no list."""
    if cell is None:
        return set()
    if not (cell.startswith("[") and cell.endswith("]") and len(cell) > 1):
        return None
    items, at, end = set(), 1, len(cell) - 1
    while at < end:
        found = TOKEN.match(cell, at, end)
        if found is None:
            return None
        items.add(found[0].strip(" \t\r\n,'\"").casefold())
        at = found.end()
    return items - {""}


def check_terms(findings: Mapping[str, Sequence[str]], reports: Reports) -> None:
    """Raise `UserError` for labels in the settings that no report has: with a misspelled one, all would be healthy."""
    vocabulary = sorted(set().union(*(labels for labels in reports.values() if labels is not None)))
    problems = [
        f"{name}: no report has the label '{term}'{nearest(term.casefold(), vocabulary)}"
        for name, terms in findings.items()
        for term in terms
        if term.casefold() not in vocabulary
    ]
    raise_all(problems, "dataset.reader.findings")


def truths_of_report(
    labels: set[str] | None, findings: Mapping[str, Sequence[str]], uncertain: Uncertain, blank: Blank
) -> Truths:
    """What a report says of each class: what it does not name is absent, unless it says that it does not tell."""
    if labels is None:
        return None, NO_LIST
    unnamed = None if labels & UNTOLD else 0 if labels else BLANK[blank]
    truths: dict[str, int | None] = {}
    for name, terms in findings.items():
        wanted = {term.casefold() for term in terms}
        maybe = {UNCERTAIN_FORM.format(term) for term in wanted}
        truths[name] = 1 if wanted & labels else UNCERTAIN[uncertain] if maybe & labels else unnamed
    return truths, None
