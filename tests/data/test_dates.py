from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.data.dates import FURTHEST, shifted
from medgraft.data.identity import PUBLIC_KEY, GroupKey

KEY = GroupKey(b"a key that nobody knows")
DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1))


def _moved(value: date, group: str, key: GroupKey) -> int:
    return (date.fromisoformat(shifted(value.isoformat(), group, key)) - value).days


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


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31"])
def test_days_at_the_end_of_the_calendar_move_inward(value: str) -> None:
    assert {shifted(value, f"p{n}", KEY) for n in range(10)}.isdisjoint({value})


@pytest.mark.parametrize("value", ["", "2020", "03/04/2020", "Mustermann"])
def test_what_is_no_day_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        shifted(value, "p", KEY)
