"""What is kept beside images must not tell people apart."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from medgraft.data.dates import shifted
from medgraft.data.identity import GroupKey
from medgraft.errors import raise_all

OLDEST = 90  # ages over 89 are identifying: 45 CFR 164.514(b)(2)(i)(C)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of a name in snake case or camel case
# `age`, also grown together with its neighbours; not in `image`, `stage`, `dosage`, nor `boneage`, which is in months.
AGE = re.compile(r"(?:patients?|subject|participant|person|donor|scan|study|exam)?age(?:s|years?|yrs?|at\w*|in\w*)?")
YEARS = re.compile(r"\s*(\d+(?:\.\d*)?)\s*[Yy]?\s*")  # as text, also as DICOM writes them: 097Y
UNITS = {"month": 12, "months": 12, "week": 52, "weeks": 52, "day": 365, "days": 365}  # a year, in names of columns
MANY = 50  # values; a column with fewer groups people rather than telling them apart
FEW = 5  # patients; fewer share no value by chance
MOST = 0.8  # as many values as that share of the patients name them
SMALL = 120  # whole numbers up to that are ages and counts

Value = str | int | float | None


def capped_age(years: float | None) -> int | None:
    """Whole years of age; 90 stands for all from 90 on."""
    return None if years is None else min(int(years), OLDEST)


def deidentified(columns: Mapping[str, Value], group: str, dates: Sequence[str], key: GroupKey) -> dict[str, Value]:
    """The columns kept beside an image: dates are shifted by the patient's secret number of days, ages capped.

    `group`: the raw id of the patient; `dates`: names of columns of days, YYYY-MM-DD. A column is an age if that is a
    word of its name, in years unless another word is months, weeks or days.
    """
    kept: dict[str, Value] = {}
    for name, value in columns.items():
        if name in dates:
            kept[name] = None if value is None else shifted(str(value), group, key)
        else:
            oldest = _oldest(name)
            kept[name] = value if oldest is None else _capped(value, oldest)
    return kept


def check_columns(columns: Mapping[str, Sequence[Value]], groups: Sequence[str], dates: Sequence[str] = ()) -> None:
    """Raise `UserError` for columns that single out patients; it names them, and none of their values.

    `columns` and `groups` (raw ids of patients) are of the same length, row by row; `dates`: those that are shifted
    before anything is written, which may tell days apart. Patients count where a column says something of them.
    Refused is a column

    - most of whose values are the patients' own ids, but for case, spaces and zeros in front;
    - of days, for it was not named as such;
    - of text with more values than 50 and than half the patients;
    - of text with more values than 0.8 of the patients, of at least five, most of which one patient has alone;
    - of whole numbers, some above 120, likewise and with more than 50 values: a running number is one, and exact
      doses may be.
    """
    problems = []
    for name, values in columns.items():
        known = [(value, group) for value, group in zip(values, groups, strict=True) if value is not None]
        if known and name not in dates:
            problems += _problems(name, known)
    raise_all(problems, "the columns to keep")


def _problems(name: str, known: Sequence[tuple[str | int | float, str]]) -> list[str]:
    away = "take it out of the reader's `subgroups`"
    cells = [_text(value) for value, _ in known]
    oldest = _oldest(name)
    found = []
    if 2 * sum(_plain(cell) == _plain(group) for cell, (_, group) in zip(cells, known, strict=True)) > len(known):
        found.append(f"'{name}' holds the ids of the patients; {away}")
    if 2 * sum(_is_day(cell) for cell in cells) > len(cells):
        return [*found, f"'{name}' holds days; name it in the reader's `dates` instead of its `subgroups`"]
    if oldest is not None:  # as it will be kept, and as numbers: there are as many ages as years in a life
        known = [(value if years is None else min(years, oldest), g) for value, g in known for years in [_years(value)]]
    patients = len({group for _, group in known})
    texts = [(value, group) for value, group in known if isinstance(value, str)]
    distinct = len({value for value, _ in texts})
    if distinct > max(MANY, patients / 2) or (patients >= FEW and _tells_apart(texts, patients)):
        found.append(f"'{name}' has {distinct} different texts for {patients} patients, and so may name them; {away}")
    numbers = [(value, group) for value, group in known if not isinstance(value, str)]
    distinct = len({value for value, _ in numbers})
    whole = all(float(value).is_integer() for value, _ in numbers)
    large = any(abs(value) > SMALL for value, _ in numbers)
    if whole and large and distinct > MANY and _tells_apart(numbers, patients):
        found.append(
            f"'{name}' has {distinct} different whole numbers for {patients} patients, and so may number them; {away}, "
            "or round it to fewer"
        )
    return found


def _tells_apart(known: Sequence[tuple[Value, str]], patients: int) -> bool:
    """Whether there are nearly as many values as patients, and most values are of one patient only."""
    of: dict[Value, set[str]] = {}
    for value, group in known:
        of.setdefault(value, set()).add(group)
    return len(of) > MOST * patients and 2 * sum(len(groups) == 1 for groups in of.values()) > len(of)


def _text(value: str | int | float) -> str:
    """A cell as text; gaps make a column of whole numbers one of floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(text: str) -> str:
    return "".join(text.split()).casefold().lstrip("0")


def _is_day(text: str) -> bool:
    """Whether it is a day as ISO 8601 has it, with or without hyphens, alone or with a time."""
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _oldest(name: str) -> int | None:
    """The age that stands for all above it, in the unit that the column's name says; None for what is no age."""
    words = [word.casefold() for word in WORD.findall(name)]
    if not any(AGE.fullmatch(word) for word in words):
        return None
    return OLDEST * next((UNITS[word] for word in words if word in UNITS), 1)


def _years(value: str | int | float) -> float | None:
    """The number in a cell of ages; None where it is none."""
    if not isinstance(value, str):
        return value
    found = YEARS.fullmatch(value)
    return float(found[1]) if found else None


def _capped(value: Value, oldest: int) -> Value:
    years = None if value is None else _years(value)
    return value if value is None or years is None or years < oldest else type(value)(oldest)
