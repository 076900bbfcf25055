from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.data.dates import FURTHEST, shifted
from medgraft.data.deidentification import deidentified
from medgraft.data.identity import PUBLIC_KEY, GroupKey

KEY = GroupKey(b"a key that nobody knows")
DAYS = st.dates(min_value=date(1902, 1, 1), max_value=date(2078, 12, 31)).filter(lambda day: day != date(1970, 1, 1))


def _moved(value: date, group: str, key: GroupKey) -> int:
    moved = shifted(value.isoformat(), group, key)
    assert moved is not None
    return (date.fromisoformat(moved) - value).days


@given(st.text(), DAYS, DAYS)
def test_the_days_of_one_patient_keep_their_distance_and_none_stays(group: str, one: date, other: date) -> None:
    move = _moved(one, group, KEY)
    assert move == _moved(other, group, KEY)
    assert move != 0
    assert abs(move) <= FURTHEST


def test_moves_use_all_the_room_and_depend_on_the_key() -> None:
    day = date(2020, 2, 29)
    moves = [_moved(day, f"p{n}", KEY) for n in range(2000)]
    assert len(set(moves)) > 1600
    assert (min(moves), max(moves)) < (-3600, 3600)
    assert max(moves) > 3600
    assert abs(sum(moves)) / len(moves) < 200
    assert moves != [_moved(day, f"p{n}", GroupKey(PUBLIC_KEY)) for n in range(2000)]


def test_the_move_is_what_it_was() -> None:
    # Datasets that meet must move a patient's days alike, whenever they were made.
    assert shifted("2020-02-29", "p1", GroupKey(PUBLIC_KEY)) == "2026-02-08"


FILL_INS = ["0001-01-01", "1899-12-30", "1900-01-01", "1901-01-01", "1901-12-31", "1970-01-01", "2079-01-01"]


@pytest.mark.parametrize("value", [*FILL_INS, "2099-12-31", "9999-12-31"])
def test_what_stands_for_no_day_would_tell_the_move(value: str) -> None:
    assert {shifted(value, f"p{n}", KEY) for n in range(10)} == {None}
    assert deidentified({"seen": value}, "p", ["seen"], KEY) == {"seen": None}


@pytest.mark.parametrize("value", ["", "2020", "03/04/2020", "Mustermann"])
def test_what_is_no_day_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        shifted(value, "p", KEY)
