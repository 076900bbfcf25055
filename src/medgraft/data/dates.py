"""Dates, moved by a number of days that only the key tells; the times between the days of one patient stay."""

import hashlib
import hmac
from datetime import date, timedelta

from medgraft.data.identity import GroupKey

FURTHEST = 3650  # days, to either side
# What software writes for "no day" would, moved, tell by how much: the epochs of Unix and of spreadsheets, the first
# day of the calendar, and days to come. No clock decides what is to come, so that the same input gives the same bytes:
# from 2079 on, where the dates of some databases end, all are.
FILL_INS = (date(1970, 1, 1),)
FIRST_YEAR, LAST_YEAR = 1902, 2078


def shifted(value: str, group: str, key: GroupKey) -> str | None:
    """A day (YYYY-MM-DD), moved by a number of days that is the same for every date of one patient and never 0.

    None for 1970-01-01 and for days before 1902 or after 2078, which stand for no day. `group` is the raw id of the
    patient. The number is an HMAC-SHA-256, as the ids that datasets hold are, over another message. With a public key
    anyone who knows the id can undo it. Raises `ValueError` for what is no day.
    """
    day = date.fromisoformat(value)
    if day in FILL_INS or not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    message = b"medgraft date shift\x1f" + group.encode()
    drawn = int.from_bytes(hmac.new(key.secret, message, hashlib.sha256).digest()) % (2 * FURTHEST)
    move = timedelta(days=drawn - FURTHEST if drawn < FURTHEST else drawn - FURTHEST + 1)
    return (day + move).isoformat()
