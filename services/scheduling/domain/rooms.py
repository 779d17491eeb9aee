"""Rooms in which sessions meet, and the days on which a site is closed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.asked import Asked
from services.scheduling.domain.weeks import MINUTES_A_DAY, Span
from shared.contracts import roles
from shared.contracts.common import TaskOpened
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: Time before the start of a session by which somebody decides whether it goes on. Design default: people are
#: on their way later.
DECIDED_BEFORE = timedelta(hours=1)
#: Task of deciding on a session that begins before its site closes and would go on after.
REACHES_CLOSURE = "session_reaches_closure"


class NoSuchRoom(NotFound):
    """Raised when a room is named that is not there, or not of the site."""


class RoomKnownAlready(Conflict):
    """Raised when a room is added under an id that is taken."""


class RoomTaken(Conflict):
    """Raised when two sessions, or two standing groups, would meet in one room."""


class RoomTooSmall(InvalidInput):
    """Raised when a session has more seats than its room has places."""


class NoRoomNeeded(InvalidInput):
    """Raised when a session for which nobody leaves home is given a room."""


class ClosureEndsBeforeStart(InvalidInput):
    """Raised when a closure ends before it begins, or lies in the past."""


@dataclass(eq=False, kw_only=True)
class Room:
    """A room of a site."""

    room_id: str
    site_id: str
    label: str
    places: int
    added_at: datetime
    tenant_id: str = ""

    def check_holds(self, *, site_id: str, capacity: int, mode: str) -> None:
        """Refuse a session that does not belong into the room.

        :raises NoSuchRoom: when it is at another site.
        :raises NoRoomNeeded: when nobody leaves home for it.
        :raises RoomTooSmall: when it has more seats than the room has places.
        """
        if self.site_id != site_id:
            raise NoSuchRoom(field="room_id", rule="must be a room of the site")
        if mode != "IN_PERSON":
            raise NoRoomNeeded(field="room_id", rule="only sessions in person have a room")
        if capacity > self.places:
            raise RoomTooSmall(field="capacity", rule=f"at most the room's {self.places} places")


@dataclass(eq=False, kw_only=True)
class RoomHour:
    """A stretch of the week that a room belongs to a standing group, in minutes of the local week."""

    group_id: str
    weekday: int
    room_id: str
    begins: int
    ends: int
    tenant_id: str = ""

    def meets(self, other: Span) -> bool:
        """Tell whether another stretch of the week has any of it."""
        return Span(begins=self.begins, ends=self.ends).meets(other)


def hours_in(*, room_id: str, group_id: str, spans: Iterable[Span]) -> list[RoomHour]:
    """Return what a standing group takes of a room."""
    return [
        RoomHour(
            group_id=group_id,
            weekday=one.begins // MINUTES_A_DAY,
            room_id=room_id,
            begins=one.begins,
            ends=one.ends,
        )
        for one in spans
    ]


@dataclass(eq=False, kw_only=True)
class Closure:
    """A stretch of time in which a site is closed: a holiday, the weather."""

    closure_id: str
    site_id: str
    starts_at: datetime
    ends_at: datetime
    #: One of CANCELLATION_REASONS.
    reason: str
    declared_at: datetime
    tenant_id: str = ""

    def ask_about(self, session_id: str, *, starts_at: datetime, now: datetime) -> tuple[Asked, TaskOpened]:
        """Ask the counselor whether a session that reaches into it ends early, is called off or goes on.

        Who has a seat in it is told nothing meanwhile, so it is due before anybody would set out in vain.
        """
        asked = Asked(
            task_id=derived_id(self.closure_id, REACHES_CLOSURE, session_id),
            task=REACHES_CLOSURE,
            about_id=session_id,
        )
        opened = asked.opened(
            owner_role=roles.COUNSELOR,
            reason=self.reason,
            due_at=max(starts_at - DECIDED_BEFORE, now),
            next_role=roles.SUPERVISOR,
        )
        return asked, opened


def closed_at(closures: Iterable[Closure], *, starts_at: datetime) -> Closure | None:
    """Return the closure in which something would start, if there is one."""
    return next((closure for closure in closures if closure.starts_at <= starts_at < closure.ends_at), None)
