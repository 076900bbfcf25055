"""Dates, moved by a number of days that only the key tells; the times between the days of one patient stay."""

import hashlib
import hmac
from datetime import date, timedelta

from medgraft.data.identity import GroupKey

FURTHEST = 3650  # days, to either side


def shifted(value: str, group: str, key: GroupKey) -> str:
    """A day (YYYY-MM-DD), moved by a number of days that is the same for every date of one patient and never 0.

    `group` is the raw id of the patient. The number is an HMAC-SHA-256, as the ids that datasets hold are, over
    another message. With a public key anyone who knows the id can undo it. Raises `ValueError` for what is no day.
    """
    message = b"medgraft date shift\x1f" + group.encode()
    drawn = int.from_bytes(hmac.new(key.secret, message, hashlib.sha256).digest()) % (2 * FURTHEST)
    move = timedelta(days=drawn - FURTHEST if drawn < FURTHEST else drawn - FURTHEST + 1)
    day = date.fromisoformat(value)
    try:
        return (day + move).isoformat()
    except OverflowError:  # 9999-12-31 and the like, which stand for no day
        return (day - move).isoformat()
