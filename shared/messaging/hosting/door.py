"""Whether the door is open: while it is closed nobody can tell a service anything, and silence says nothing.

Each copy of a service looks at it by itself. What it saw is forgotten with its process, so that a door which
was closed before its start counts as open then.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from shared.database import origin_of

#: Seconds between two looks at the door.
LOOK_SECONDS = 10.0
#: From when on it counts that the door is closed: over less, people at the desk just try again. Design
#: default.
CLOSED_AFTER = timedelta(minutes=2)


class Door:
    """What a process has seen of the door."""

    def __init__(self) -> None:
        """Begin with a door that is open."""
        self._closed_since: datetime | None = None
        self._closed_until: datetime | None = None

    def look(self, *, is_open: bool, at: datetime) -> None:
        """Note whether the door is open at a moment."""
        if not is_open:
            self._closed_since = self._closed_since or at
            return
        self._closed_until = self.closed_until(at)
        self._closed_since = None

    def closed_until(self, now: datetime) -> datetime | None:
        """Return until when the door was closed the last time that it counts; that may be now."""
        if self._closed_since is not None and now - self._closed_since >= CLOSED_AFTER:
            return now
        return self._closed_until


def door_closed_until(db: Session) -> datetime | None:
    """Return until when nobody could tell this service anything; None where that was never so."""
    door: Door = db.info["host"].door
    return door.closed_until(origin_of(db).now)
