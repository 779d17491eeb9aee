"""A session with its site and its seats, locked: what every mark at the door and in the room begins with."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, records
from services.scheduling.tables.attendance import seats, send_locks_of_sessions, sessions
from services.scheduling.tables.notes import session_notes
from services.scheduling.tables.records import sites
from shared.database import written_once


@dataclass(frozen=True, kw_only=True)
class Roster:
    """A session, locked, with its site and its seats as they are now, in the order of their ids."""

    session: attendance.Session
    site: records.Site | None
    seats: list[attendance.Seat]
    #: Whether anybody wrote a note about it.
    noted: bool


_NOTED = (
    sa.select(session_notes.c.note_id)
    .where(
        session_notes.c.session_id == sessions.c.session_id,
        session_notes.c.tenant_id == sessions.c.tenant_id,
    )
    .correlate(sessions)
    .exists()
)
_ROSTERS = written_once(
    sa.select(attendance.Session, records.Site, attendance.Seat, _NOTED)
    .outerjoin(
        records.Site,
        sa.and_(sites.c.site_id == sessions.c.site_id, sites.c.tenant_id == sessions.c.tenant_id),
    )
    .outerjoin(
        attendance.Seat,
        sa.and_(seats.c.session_id == sessions.c.session_id, seats.c.tenant_id == sessions.c.tenant_id),
    )
    .where(attendance.Session.session_id.in_(sa.bindparam("of_sessions", expanding=True)))
    .order_by(attendance.Session.session_id, attendance.Seat.seat_id)
    .execution_options(populate_existing=True),
    narrowed=(records.Site, attendance.Seat),
)


def lock_roster(db: Session, *, session_id: str) -> Roster:
    """Return a session with its site and its seats, locked: marks of one session follow one another.

    :raises NoSuchSession: when there is none.
    """
    roster = lock_rosters(db, session_ids=[session_id]).get(session_id)
    if roster is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    return roster


def lock_rosters(db: Session, *, session_ids: Iterable[str]) -> dict[str, Roster]:
    """Return some sessions with their sites and seats, locked in the order of their ids, by id."""
    wanted = list(session_ids)
    # The lock is a statement of its own: one that waits for it would see the seats as they were before.
    send_locks_of_sessions(db, session_ids=wanted)
    found: dict[str, Roster] = {}
    for session, site, seat, noted in db.execute(_ROSTERS, {"of_sessions": wanted}):
        roster = found.get(session.session_id)
        if roster is None:
            roster = Roster(session=session, site=site, seats=[], noted=noted)
            found[session.session_id] = roster
        if seat is not None:
            roster.seats.append(seat)
    return found
