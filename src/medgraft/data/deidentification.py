"""What is kept beside images must not tell people apart."""

import re
from collections.abc import Mapping, Sequence

from medgraft.data.dates import shifted
from medgraft.data.identity import GroupKey
from medgraft.errors import raise_all

OLDEST = 90  # ages over 89 are identifying: 45 CFR 164.514(b)(2)(i)(C)
AGE = re.compile(r"(?:^|[\W_])(?:age|Age|AGE)$|[a-z]Age$")
MANY = 50  # values; a column with fewer groups people rather than telling them apart

Value = str | int | float | None


def capped_age(years: float | None) -> int | None:
    """Whole years of age; 90 stands for all from 90 on."""
    return None if years is None else min(int(years), OLDEST)


def deidentified(columns: Mapping[str, Value], group: str, dates: Sequence[str], key: GroupKey) -> dict[str, Value]:
    """The columns kept beside an image: dates are shifted by the patient's secret number of days, ages capped.

    `group`: the raw id of the patient; `dates`: names of columns of days, YYYY-MM-DD. A column is an age if its name
    is or ends with that word.
    """
    kept: dict[str, Value] = {}
    for name, value in columns.items():
        if name in dates:
            kept[name] = None if value is None else shifted(str(value), group, key)
        elif AGE.search(name) and isinstance(value, int | float) and value >= OLDEST:
            kept[name] = OLDEST
        else:
            kept[name] = value
    return kept


def check_columns(columns: Mapping[str, Sequence[Value]], groups: Sequence[str]) -> None:
    """Raise `UserError` for columns that single out patients; it names them, and none of their values.

    `columns` and `groups` (raw ids of patients) are of the same length, row by row. Refused is a column of text with
    more than 50 values and more than half as many values as there are patients, and any column most of whose values
    are the patients' own ids.
    """
    patients = len(set(groups))
    problems = []
    for name, values in columns.items():
        known = [(value, group) for value, group in zip(values, groups, strict=True) if value is not None]
        if 2 * sum(str(value) == group for value, group in known) > len(known):
            problems.append(f"'{name}' holds the ids of the patients")
        distinct = len({value for value, _ in known if isinstance(value, str)})
        if distinct > max(MANY, patients / 2):
            problems.append(f"'{name}' has {distinct} different texts for {patients} patients, and so may name them")
    raise_all([f"{problem}; take it out of the reader's `subgroups`" for problem in problems], "the columns to keep")
