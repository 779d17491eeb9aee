"""What stands in a calendar, and over which stretch of time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from services.scheduling import schemas
from shared.answers import answers_of
from shared.errors import InvalidInput

#: How far back and ahead a calendar tells when it is not said. Design default: a phone that was away for a
#: while sees what was called off meanwhile, and sessions are booked two to three weeks ahead.
BACK = timedelta(weeks=4)
AHEAD = timedelta(weeks=8)

#: Longest stretch that is told at once. Design default.
LONGEST = timedelta(days=200)


class StretchTooLong(InvalidInput):
    """Raised when a calendar is asked for a stretch that ends before it begins, or is too long."""


def stretch(asked: dict[str, Any], *, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when a calendar is told.

    :raises StretchTooLong: when it ends before it begins, or is longer than can be told at once.
    """
    since = asked.get("from_")
    until = asked.get("to")
    if since is None:
        since = (until - BACK - AHEAD) if until is not None else now - BACK
    if until is None:
        until = since + BACK + AHEAD
    if not timedelta(0) < until - since <= LONGEST:
        raise StretchTooLong(field="to", rule=f"after from, and at most {LONGEST.days} days later")
    return since, until


def entries(found: Iterable[tuple[str, datetime, datetime, bool]]) -> list[dict[str, Any]]:
    """Return id, start, end and whether it is called off as a calendar's entries."""
    told = [
        {"entry_id": entry_id, "starts_at": starts_at, "ends_at": ends_at, "cancelled": cancelled}
        for entry_id, starts_at, ends_at, cancelled in found
    ]
    return answers_of(schemas.CalendarEntry, told)
