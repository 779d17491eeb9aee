"""How standing weeks become dated sessions and seats."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, plans
from services.scheduling.tables.attendance import seats, sessions
from shared.database import origin_of


def add_dated(db: Session, *, site_id: str, dated: list[plans.DatedSession]) -> tuple[set[str], set[str]]:
    """Book dated sessions and seats, all at once; return the ids of sessions and seats that are new.

    A seat or an individual session that was cancelled before is taken up again. Where the standing
    place's number is taken on a date, by somebody who has left since, another free one is given.
    """
    if not dated:
        return set(), set()
    tenant_id = origin_of(db).tenant_id
    session_rows = {
        one.session_id: {
            "session_id": one.session_id,
            "tenant_id": tenant_id,
            "site_id": site_id,
            "group_id": one.group_id,
            "kind": one.kind,
            "modality": one.modality,
            "facilitator_id": one.facilitator_id,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
            "clinical_minutes": one.clinical_minutes,
            "capacity": one.capacity,
            "state": "PLANNED",
            "roster_asked": "NOBODY",
        }
        for one in dated
    }
    insert = postgresql.insert(sessions)
    new_sessions = db.scalars(
        insert.on_conflict_do_update(
            index_elements=["session_id"],
            set_={"state": "PLANNED"},
            where=sessions.c.state == "CANCELLED",
        ).returning(sessions.c.session_id),
        list(session_rows.values()),
    ).all()
    taken: dict[str, set[int]] = {session_id: set() for session_id in session_rows}
    known = db.execute(
        sa.select(attendance.Seat.session_id, attendance.Seat.number).where(
            attendance.Seat.session_id.in_(set(session_rows) - set(new_sessions)),
            attendance.Seat.number.is_not(None),
        )
    )
    for session_id, number in known:
        taken[session_id].add(number)
    off = set(
        db.scalars(
            sa.select(attendance.Session.session_id).where(
                attendance.Session.session_id.in_(set(session_rows) - set(new_sessions)),
                attendance.Session.state == "CANCELLED_BY_PROGRAM",
            )
        )
    )
    seat_rows = []
    for one in dated:
        held = taken[one.session_id]
        number = one.number
        if number is None or number in held:
            number = plans.lowest_free(taken=held, capacity=one.capacity)
        if number is None or one.session_id in off:
            continue
        held.add(number)
        seat_rows.append(
            {
                "seat_id": one.seat_id,
                "tenant_id": tenant_id,
                "session_id": one.session_id,
                "patient_id": one.plan.patient_id,
                "episode_id": one.plan.episode_id,
                "journey_id": one.plan.journey_id,
                "capacity": one.capacity,
                "number": number,
                "starts_at": one.starts_at,
                "ends_at": one.ends_at,
                "state": "SCHEDULED",
                "credited_minutes": 0,
                "told": False,
                "revision": 0,
            }
        )
    if not seat_rows:
        return set(new_sessions), set()
    insert = postgresql.insert(seats)
    new_seats = db.scalars(
        insert.on_conflict_do_update(
            index_elements=["seat_id"],
            set_={"state": "SCHEDULED", "number": insert.excluded.number},
            where=seats.c.state == "CANCELLED",
        ).returning(seats.c.seat_id),
        seat_rows,
    ).all()
    return set(new_sessions), set(new_seats)


def cancel_seats(
    db: Session, *, episode_id: str, after: datetime | None, keep: Iterable[str] = ()
) -> list[str]:
    """Cancel the scheduled seats of an episode; return the individual sessions that fall away.

    :param after: only seats that start after this; all scheduled ones when None.
    :param keep: ids of seats that stay.
    """
    chosen = sa.and_(
        attendance.Seat.episode_id == episode_id,
        attendance.Seat.state == "SCHEDULED",
        attendance.Seat.seat_id.not_in(list(keep)),
    )
    if after is not None:
        chosen = sa.and_(chosen, attendance.Seat.starts_at > after)
    session_ids = db.scalars(
        sa.update(attendance.Seat)
        .where(chosen)
        .values(state="CANCELLED", number=None)
        .returning(attendance.Seat.session_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if not session_ids:
        return []
    return list(
        db.scalars(
            sa.update(attendance.Session)
            .where(
                attendance.Session.session_id.in_(session_ids),
                attendance.Session.kind == "INDIVIDUAL",
                attendance.Session.state == "PLANNED",
            )
            .values(state="CANCELLED")
            .returning(attendance.Session.session_id)
            .execution_options(synchronize_session="fetch")
        )
    )
