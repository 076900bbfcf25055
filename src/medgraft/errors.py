"""Errors a user can cause: one clear message, never a traceback."""

from collections.abc import Sequence


class UserError(Exception):
    """A mistake or a state the user can correct.

    The message states the problem, the offending value and the corrective action.
    """


def raise_all(problems: Sequence[str], subject: str) -> None:
    """Raise one `UserError` that lists every problem, or return when there is none."""
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UserError(f"{count} in {subject}:\n" + "\n".join(f"  - {p}" for p in problems))
