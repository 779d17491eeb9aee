"""How standing weeks become dated sessions and seats."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, booking, clinicians, groups, plans, records, rooms
from services.scheduling.tables.attendance import seats, sessions
from services.scheduling.tables.groups import hold_enrolment
from shared.database import origin_of, written_once


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
            "mode": one.mode,
            "room_id": one.room_id,
            "curriculum_id": one.curriculum_id,
            "module_no": one.lesson.module_no if one.lesson else None,
            "module_part": one.lesson.part if one.lesson else 1,
            "skill_tags": list(one.lesson.skill_tags) if one.lesson else [],
        }
        for one in dated
    }
    insert = postgresql.insert(sessions)
    new_sessions = db.scalars(
        insert.on_conflict_do_update(
            index_elements=["session_id"],
            # Whoever led it before may be elsewhere by now.
            set_={"state": "PLANNED", "facilitator_id": insert.excluded.facilitator_id},
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
            # What the patient moved elsewhere stays there.
            where=sa.and_(seats.c.state == "CANCELLED", seats.c.swapped_to.is_(None)),
        ).returning(seats.c.seat_id),
        seat_rows,
    ).all()
    return set(new_sessions), set(new_seats)


def cancel_seats(
    db: Session, *, episode_id: str, after: datetime | None, keep: Iterable[str] = ()
) -> tuple[list[str], list[str]]:
    """Cancel the scheduled seats of an episode; return the individual sessions that fall away, and others.

    :param after: only seats of the standing week that start after this; all scheduled ones when None.
    :param keep: ids of seats that stay.
    """
    chosen = sa.and_(
        attendance.Seat.episode_id == episode_id,
        attendance.Seat.state == "SCHEDULED",
        attendance.Seat.seat_id.not_in(list(keep)),
    )
    if after is not None:
        chosen = sa.and_(chosen, attendance.Seat.starts_at > after, attendance.Seat.origin == "PLAN")
    session_ids = db.scalars(
        sa.update(attendance.Seat)
        .where(chosen)
        .values(state="CANCELLED", number=None)
        .returning(attendance.Seat.session_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if not session_ids:
        return [], []
    fallen = list(
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
    return fallen, sorted(set(session_ids) - set(fallen))


@dataclass(frozen=True, kw_only=True)
class Bookable:
    """A session with what decides whether somebody can be booked into it."""

    session: attendance.Session
    site: records.Site
    group: groups.Group | None
    facilitator: clinicians.Clinician | None


def lock_bookable(db: Session, *, session_id: str) -> Bookable:
    """Return a session with its site, group and clinician; the session is locked, and who may join held.

    :raises NoSuchSession: when there is none.
    """
    hold_enrolment(db, session_ids=[session_id])
    row = db.execute(
        _bookable()
        .where(attendance.Session.session_id == session_id)
        .with_for_update(of=attendance.Session, key_share=True)
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    return Bookable(session=row[0], site=row[1], group=row[2], facilitator=row[3])


def bookable_between(db: Session, *, site_id: str, since: datetime, until: datetime) -> list[Bookable]:
    """Return the planned sessions of a site that start in a stretch of time, by their start."""
    rows = db.execute(
        _bookable()
        .where(
            attendance.Session.site_id == site_id,
            attendance.Session.state == "PLANNED",
            attendance.Session.starts_at >= since,
            attendance.Session.starts_at < until,
        )
        .order_by(attendance.Session.starts_at, attendance.Session.session_id)
    )
    return [Bookable(session=row[0], site=row[1], group=row[2], facilitator=row[3]) for row in rows]


def _bookable() -> Any:
    return (
        sa.select(attendance.Session, records.Site, groups.Group, clinicians.Clinician)
        .join(records.Site, records.Site.site_id == attendance.Session.site_id)
        .outerjoin(groups.Group, groups.Group.group_id == attendance.Session.group_id)
        .outerjoin(
            clinicians.Clinician, clinicians.Clinician.clinician_id == attendance.Session.facilitator_id
        )
    )


def lock_patient_in_care(db: Session, *, patient_id: str) -> tuple[records.Patient, records.Episode] | None:
    """Return a patient with the present episode, if there is one; the patient is locked.

    What binds a patient and what they are booked into change one after the other.
    """
    row = db.execute(
        sa.select(records.Patient, records.Episode)
        .join(records.Episode, records.Episode.patient_id == records.Patient.patient_id)
        .where(
            records.Patient.patient_id == patient_id,
            records.Episode.admitted_at.is_not(None),
            records.Episode.discharged_at.is_(None),
        )
        .order_by(records.Episode.admitted_at.desc(), records.Episode.episode_id)
        .limit(1)
        .with_for_update(of=records.Patient, key_share=True)
        .execution_options(populate_existing=True)
    ).first()
    return (row[0], row[1]) if row else None


def held_by(db: Session, *, patient_id: str, since: datetime, until: datetime) -> list[booking.Held]:
    """Return the seats of a patient that start in a stretch of time, given up ones too."""
    rows = db.execute(
        sa.select(
            seats.c.seat_id,
            seats.c.session_id,
            seats.c.state,
            seats.c.starts_at,
            seats.c.ends_at,
            sessions.c.clinical_minutes,
            seats.c.credited_minutes,
        )
        .join(sessions, sessions.c.session_id == seats.c.session_id)
        .where(
            seats.c.tenant_id == origin_of(db).tenant_id,
            seats.c.patient_id == patient_id,
            seats.c.starts_at >= since,
            seats.c.starts_at < until,
        )
    )
    return [booking.Held(**row._mapping) for row in rows]


def numbers_held(db: Session, *, session_ids: Iterable[str]) -> dict[str, set[int]]:
    """Return the numbers of the seats that are taken in some sessions, by session."""
    found: dict[str, set[int]] = {session_id: set() for session_id in session_ids}
    rows = db.execute(
        sa.select(seats.c.session_id, seats.c.number).where(
            seats.c.tenant_id == origin_of(db).tenant_id,
            seats.c.session_id.in_(list(found)),
            seats.c.number.is_not(None),
        )
    )
    for session_id, number in rows:
        found[session_id].add(number)
    return found


def lock_sessions(db: Session, *, session_ids: Iterable[str]) -> dict[str, attendance.Session]:
    """Return some sessions by id, locked in the order of their ids, so that nobody waits in a circle."""
    rows = db.scalars(
        sa.select(attendance.Session)
        .where(attendance.Session.session_id.in_(list(session_ids)))
        .order_by(attendance.Session.session_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {session.session_id: session for session in rows}


def lock_sessions_between(
    db: Session, *, site_id: str, since: datetime, until: datetime
) -> list[attendance.Session]:
    """Return the planned sessions of a site that start in a stretch of time, locked, by their ids."""
    return list(
        db.scalars(
            sa.select(attendance.Session)
            .where(
                attendance.Session.site_id == site_id,
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at >= since,
                attendance.Session.starts_at < until,
            )
            .order_by(attendance.Session.session_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def lock_sessions_of_group(db: Session, group: groups.Group, *, after: datetime) -> list[attendance.Session]:
    """Return the planned sessions of a standing group that are to come, locked, by their ids."""
    return list(
        db.scalars(
            sa.select(attendance.Session)
            .where(
                attendance.Session.site_id == group.site_id,
                attendance.Session.group_id == group.group_id,
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at > after,
            )
            .order_by(attendance.Session.session_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def sessions_in_room(db: Session, room: rooms.Room, *, after: datetime) -> list[attendance.Session]:
    """Return the planned sessions to come that meet in a room, by their start."""
    return list(
        db.scalars(
            sa.select(attendance.Session)
            .where(
                attendance.Session.site_id == room.site_id,
                attendance.Session.room_id == room.room_id,
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at > after,
            )
            .order_by(attendance.Session.starts_at, attendance.Session.session_id)
        )
    )


def seats_of_sessions(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[attendance.Seat]]:
    """Return the seats of some sessions, by session."""
    found: dict[str, list[attendance.Seat]] = {session_id: [] for session_id in session_ids}
    rows = db.scalars(
        sa.select(attendance.Seat)
        .where(attendance.Seat.session_id.in_(list(found)))
        .order_by(attendance.Seat.session_id, attendance.Seat.seat_id)
        .execution_options(populate_existing=True)
    )
    for seat in rows:
        found[seat.session_id].append(seat)
    return found


def open_seats_of(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[attendance.Seat]]:
    """Return the seats of some sessions on which nothing is known yet, by session."""
    found: dict[str, list[attendance.Seat]] = {session_id: [] for session_id in session_ids}
    rows = db.scalars(
        sa.select(attendance.Seat)
        .where(attendance.Seat.session_id.in_(list(found)), attendance.Seat.state == "SCHEDULED")
        .order_by(attendance.Seat.session_id, attendance.Seat.seat_id)
        .execution_options(populate_existing=True)
    )
    for seat in rows:
        found[seat.session_id].append(seat)
    return found


def makes_up_for(db: Session, *, seat_id: str) -> attendance.Seat | None:
    """Return the seat that makes up for a missed one, if there is one that was not given up."""
    return db.scalar(
        sa.select(attendance.Seat).where(
            attendance.Seat.makes_up == seat_id, attendance.Seat.state.not_in(attendance.GIVEN_UP)
        )
    )


_BOOKED_BY_HAND = written_once(
    sa.select(attendance.Seat)
    .where(
        attendance.Seat.patient_id.in_(sa.bindparam("of_patients", expanding=True)),
        attendance.Seat.origin != "PLAN",
        attendance.Seat.state.not_in(attendance.LEAVES_TIME_FREE),
        attendance.Seat.ends_at > sa.bindparam("after"),
    )
    .order_by(attendance.Seat.seat_id)
)


def booked_by_hand(
    db: Session, *, patient_ids: Iterable[str], after: datetime
) -> dict[str, list[attendance.Seat]]:
    """Return the seats to come that are no part of a standing week, by patient."""
    found: dict[str, list[attendance.Seat]] = {patient_id: [] for patient_id in patient_ids}
    for seat in db.scalars(_BOOKED_BY_HAND, {"of_patients": list(found), "after": after}):
        found[seat.patient_id].append(seat)
    return found


def sessions_with_room(
    db: Session, *, session_ids: Iterable[str], after: datetime
) -> list[tuple[attendance.Session, int]]:
    """Return those of some sessions that are to come and not full, each with how many seats are taken."""
    held = (
        sa.select(sa.func.count(attendance.Seat.number))
        .where(attendance.Seat.session_id == attendance.Session.session_id)
        .scalar_subquery()
    )
    rows = db.execute(
        sa.select(attendance.Session, held)
        .where(
            attendance.Session.session_id.in_(list(session_ids)),
            attendance.Session.state == "PLANNED",
            attendance.Session.starts_at > after,
            held < attendance.Session.capacity,
        )
        .order_by(attendance.Session.starts_at, attendance.Session.session_id)
    )
    return [(session, taken) for session, taken in rows]


def has_place(db: Session, *, episode_id: str, group_id: str) -> bool:
    """Tell whether an episode has a standing place in a group."""
    found = db.scalar(
        sa.select(plans.Place.plan_id)
        .join(plans.WeeklyPlan, plans.WeeklyPlan.plan_id == plans.Place.plan_id)
        .where(
            plans.WeeklyPlan.episode_id == episode_id,
            plans.Place.group_id == group_id,
            plans.Place.number.is_not(None),
        )
        .limit(1)
    )
    return found is not None


def sessions_led_by(
    db: Session, *, clinician_id: str, after: datetime | None, until: datetime | None = None
) -> list[attendance.Session]:
    """Return the planned sessions of a clinician that start in a stretch of time, by their start."""
    found = (
        sa.select(attendance.Session)
        .where(attendance.Session.facilitator_id == clinician_id, attendance.Session.state == "PLANNED")
        .order_by(attendance.Session.starts_at, attendance.Session.session_id)
    )
    if after is not None:
        found = found.where(attendance.Session.starts_at >= after)
    if until is not None:
        found = found.where(attendance.Session.starts_at < until)
    return list(db.scalars(found))


def states_in_sessions(db: Session, *, session_ids: Iterable[str]) -> dict[str, str]:
    """Return in which state the patient of each session is when treated from afar, where that was told."""
    state = records.Patient.wishes["telehealth_state"].astext
    rows = db.execute(
        sa.select(attendance.Seat.session_id, state)
        .join(records.Patient, records.Patient.patient_id == attendance.Seat.patient_id)
        .where(
            attendance.Seat.session_id.in_(list(session_ids)),
            attendance.Seat.state.not_in(attendance.GIVEN_UP),
            state.is_not(None),
        )
    )
    return {row[0]: row[1] for row in rows}


def sessions_booked(db: Session, *, session_ids: Iterable[str]) -> set[str]:
    """Return which of some sessions are booked already, or were called off by the program.

    One that fell away with its only patient is booked anew.
    """
    return set(
        db.scalars(
            sa.select(attendance.Session.session_id).where(
                attendance.Session.session_id.in_(list(session_ids)),
                attendance.Session.state != "CANCELLED",
            )
        )
    )


def led_between(
    db: Session, *, clinician_ids: Iterable[str], since: datetime, until: datetime
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return when some clinicians lead planned sessions that reach into a stretch of time, by clinician."""
    found: dict[str, list[tuple[datetime, datetime]]] = {one: [] for one in clinician_ids}
    rows = db.execute(
        sa.select(
            attendance.Session.facilitator_id, attendance.Session.starts_at, attendance.Session.ends_at
        ).where(
            attendance.Session.facilitator_id.in_(list(found)),
            attendance.Session.state == "PLANNED",
            # The index is on the start, and no session lasts a day.
            attendance.Session.starts_at > since - attendance.LONGEST_SESSION,
            attendance.Session.starts_at < until,
            attendance.Session.ends_at > since,
        )
    )
    for clinician_id, starts_at, ends_at in rows:
        found[clinician_id].append((starts_at, ends_at))
    return found


def seats_that_exist(db: Session, *, seat_ids: Iterable[str]) -> set[str]:
    """Return which of some seats somebody has, or had."""
    return set(
        db.scalars(sa.select(attendance.Seat.seat_id).where(attendance.Seat.seat_id.in_(list(seat_ids))))
    )


def scheduled_sessions_of(db: Session, *, episode_id: str, after: datetime) -> list[str]:
    """Return the sessions to come in which an episode has a seat."""
    return list(
        db.scalars(
            sa.select(attendance.Seat.session_id)
            .where(
                attendance.Seat.episode_id == episode_id,
                attendance.Seat.state == "SCHEDULED",
                attendance.Seat.starts_at > after,
            )
            .order_by(attendance.Seat.session_id)
        )
    )
