"""How standing weeks become dated sessions and seats."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import (
    attendance,
    booking,
    clinicians,
    groups,
    plans,
    records,
    rooms,
    waiting,
)
from services.scheduling.tables.attendance import seats, send_lock_of_session, sessions
from services.scheduling.tables.clinicians import clinicians_table
from services.scheduling.tables.groups import groups_table, hold_enrolment
from services.scheduling.tables.records import episodes, patients, sites
from services.scheduling.tables.waiting import waits
from shared.database import origin_of, send_with_next, written_once
from shared.many_rows import as_json

#: What is written of each session that dates become; all else is the same of all.
_TOLD_OF_SESSION = {
    "session_id": "uuid",
    "group_id": "uuid",
    "kind": "text",
    "modality": "text",
    "facilitator_id": "uuid",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "clinical_minutes": "integer",
    "capacity": "integer",
    "mode": "text",
    "room_id": "uuid",
    "curriculum_id": "uuid",
    "module_no": "smallint",
    "module_part": "smallint",
    "skill_tags": "jsonb",
}
#: Whoever led one before may be elsewhere by now.
_BOOK_SESSIONS = f"""
INSERT INTO sessions ({", ".join(_TOLD_OF_SESSION)}, tenant_id, site_id, state, roster_asked)
SELECT told.*, %(tenant_id)s, %(site_id)s, 'PLANNED', 'NOBODY'
FROM json_to_recordset(%(rows)s) AS told ({", ".join(map(" ".join, _TOLD_OF_SESSION.items()))})
ON CONFLICT (session_id) DO UPDATE SET state = 'PLANNED', facilitator_id = excluded.facilitator_id
WHERE sessions.state = 'CANCELLED'
"""  # noqa: S608  # names of ours
_TOLD_OF_SEAT = {
    "seat_id": "uuid",
    "session_id": "uuid",
    "patient_id": "uuid",
    "episode_id": "uuid",
    "journey_id": "uuid",
    "capacity": "integer",
    "number": "integer",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
}
#: What the patient moved elsewhere stays there.
_BOOK_SEATS = f"""
INSERT INTO seats ({", ".join(_TOLD_OF_SEAT)}, tenant_id, state, credited_minutes, told, revision)
SELECT told.*, %(tenant_id)s, 'SCHEDULED', 0, false, 0
FROM json_to_recordset(%(rows)s) AS told ({", ".join(map(" ".join, _TOLD_OF_SEAT.items()))})
ON CONFLICT (seat_id) DO UPDATE SET state = 'SCHEDULED', number = excluded.number
WHERE seats.state = 'CANCELLED' AND seats.swapped_to IS NULL
RETURNING seat_id
"""  # noqa: S608  # names of ours


_HELD_NUMBERS = sa.func.array(
    sa.select(seats.c.number)
    .where(
        seats.c.session_id == sessions.c.session_id,
        seats.c.tenant_id == sessions.c.tenant_id,
        seats.c.number.is_not(None),
    )
    .correlate(sessions)
    .scalar_subquery(),
    type_=postgresql.ARRAY(sa.Integer),
)
_IS_ON_DATE = attendance.Session.session_id.in_(sa.bindparam("of_sessions", expanding=True))
_ON_DATES = written_once(
    sa.select(
        attendance.Session.session_id,
        attendance.Session.state,
        attendance.Session.facilitator_id,
        attendance.Session.starts_at,
        attendance.Session.ends_at,
        sa.case((_IS_ON_DATE, _HELD_NUMBERS)),
    ).where(
        sa.or_(
            _IS_ON_DATE,
            sa.and_(
                attendance.Session.facilitator_id.in_(sa.bindparam("of_leaders", expanding=True)),
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at > sa.bindparam("earliest"),
                attendance.Session.starts_at < sa.bindparam("until"),
                attendance.Session.ends_at > sa.bindparam("since"),
            ),
        )
    )
)


@dataclass(frozen=True, kw_only=True)
class OnDates:
    """What there is on dates of standing weeks already: their sessions are locked."""

    #: The sessions that are booked, or were called off by the program, each with the numbers of its seats
    #: that are taken. One that fell away with its only patient is booked anew.
    booked: dict[str, set[int]]
    #: Those of them that were called off.
    called_off: set[str]
    #: When each of some clinicians leads planned sessions.
    busy: dict[str, list[tuple[datetime, datetime]]]


_LOCK_DATES = """
SELECT count(*) FROM (
    SELECT FROM sessions
    JOIN unnest(%(session_ids)s::uuid[]) WITH ORDINALITY AS dated (session_id, place) USING (session_id)
    WHERE tenant_id = %(tenant_id)s ORDER BY place FOR NO KEY UPDATE OF sessions
) AS locked
"""


def lock_dates(db: Session, *, dated: list[plans.DatedSession], leaders: Iterable[str]) -> OnDates:
    """Return what there is on some dates already, and when *leaders* lead something around them.

    The sessions are locked in the order of the dates. Those that are not there yet nobody else adds: whoever
    books dates of a site holds its lock.
    """
    if not dated:
        return OnDates(booked={}, called_off=set(), busy={})
    session_ids = list(dict.fromkeys(one.session_id for one in dated))
    # The lock is a statement of its own: one that waits for it would see the seats as they were before.
    locked = {"tenant_id": origin_of(db).tenant_id, "session_ids": session_ids}
    send_with_next(db.connection(), _LOCK_DATES, locked)
    busy: dict[str, list[tuple[datetime, datetime]]] = {one: [] for one in leaders}
    since = min(one.starts_at for one in dated)
    asked = {
        "of_sessions": session_ids,
        "of_leaders": list(busy),
        "since": since,
        # The index is on the start, and no session lasts a day.
        "earliest": since - attendance.LONGEST_SESSION,
        "until": max(one.ends_at for one in dated),
    }
    booked: dict[str, set[int]] = {}
    called_off = set()
    wanted = set(session_ids)
    for session_id, state, leader, starts_at, ends_at, numbers in db.execute(_ON_DATES, asked):
        if session_id in wanted and state != "CANCELLED":
            booked[session_id] = set(numbers)
            if state == "CANCELLED_BY_PROGRAM":
                called_off.add(session_id)
        if state == "PLANNED" and leader in busy:
            busy[leader].append((starts_at, ends_at))
    return OnDates(booked=booked, called_off=called_off, busy=busy)


def add_dated(db: Session, *, site_id: str, dated: list[plans.DatedSession], there: OnDates) -> set[str]:
    """Book dated sessions and seats, all at once; return the ids of seats that are new.

    A seat or an individual session that was cancelled before is taken up again. Where the standing
    place's number is taken on a date, by somebody who has left since, another free one is given.
    """
    tenant_id = origin_of(db).tenant_id
    new_sessions = {
        one.session_id: {
            "session_id": one.session_id,
            "group_id": one.group_id,
            "kind": one.kind,
            "modality": one.modality,
            "facilitator_id": one.facilitator_id,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
            "clinical_minutes": one.clinical_minutes,
            "capacity": one.capacity,
            "mode": one.mode,
            "room_id": one.room_id,
            "curriculum_id": one.curriculum_id,
            "module_no": one.lesson.module_no if one.lesson else None,
            "module_part": one.lesson.part if one.lesson else 1,
            "skill_tags": list(one.lesson.skill_tags) if one.lesson else [],
        }
        for one in dated
        if one.session_id not in there.booked
    }
    if new_sessions:
        told = {"tenant_id": tenant_id, "site_id": site_id, "rows": as_json(list(new_sessions.values()))}
        send_with_next(db.connection(), _BOOK_SESSIONS, told)
    taken: dict[str, set[int]] = {}
    seat_rows = []
    for one in dated:
        held = taken.setdefault(one.session_id, set(there.booked.get(one.session_id, ())))
        number = one.number
        if number is None or number in held:
            number = plans.lowest_free(taken=held, capacity=one.capacity)
        if number is None or one.session_id in there.called_off:
            continue
        held.add(number)
        seat_rows.append(
            {
                "seat_id": one.seat_id,
                "session_id": one.session_id,
                "patient_id": one.plan.patient_id,
                "episode_id": one.plan.episode_id,
                "journey_id": one.plan.journey_id,
                "capacity": one.capacity,
                "number": number,
                "starts_at": one.starts_at,
                "ends_at": one.ends_at,
            }
        )
    if not seat_rows:
        return set()
    seats_told = {"tenant_id": tenant_id, "rows": as_json(seat_rows)}
    return set(db.connection().exec_driver_sql(_BOOK_SEATS, seats_told).scalars())


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
    #: The numbers of the seats that are taken.
    taken: frozenset[int]
    #: Whether anybody waits for a seat.
    waited_for: bool


_WAITED_FOR = (
    sa.select(waits.c.wait_id)
    .where(
        waits.c.session_id == sessions.c.session_id,
        waits.c.tenant_id == sessions.c.tenant_id,
        waits.c.state.in_(waiting.STILL_WAITING),
    )
    .correlate(sessions)
    .exists()
)
_BOOKABLE = (
    sa.select(
        attendance.Session, records.Site, groups.Group, clinicians.Clinician, _HELD_NUMBERS, _WAITED_FOR
    )
    .join(
        records.Site,
        sa.and_(sites.c.site_id == sessions.c.site_id, sites.c.tenant_id == sessions.c.tenant_id),
    )
    .outerjoin(
        groups.Group,
        sa.and_(
            groups_table.c.group_id == sessions.c.group_id, groups_table.c.tenant_id == sessions.c.tenant_id
        ),
    )
    .outerjoin(
        clinicians.Clinician,
        sa.and_(
            clinicians_table.c.clinician_id == sessions.c.facilitator_id,
            clinicians_table.c.tenant_id == sessions.c.tenant_id,
        ),
    )
)
_OUTER = (groups.Group, clinicians.Clinician)
_ONE_BOOKABLE = written_once(
    _BOOKABLE.where(attendance.Session.session_id == sa.bindparam("of_session")).execution_options(
        populate_existing=True
    ),
    narrowed=_OUTER,
)
_BOOKABLE_BETWEEN = written_once(
    _BOOKABLE.where(
        attendance.Session.site_id == sa.bindparam("of_site"),
        attendance.Session.state == "PLANNED",
        attendance.Session.starts_at >= sa.bindparam("since"),
        attendance.Session.starts_at < sa.bindparam("until"),
    ).order_by(attendance.Session.starts_at, attendance.Session.session_id),
    narrowed=_OUTER,
)
_BOOKABLE_LIKE = written_once(
    _BOOKABLE_BETWEEN.where(
        attendance.Session.curriculum_id == sa.bindparam("of_curriculum"),
        attendance.Session.module_no == sa.bindparam("of_module"),
        attendance.Session.module_part == sa.bindparam("of_part"),
    ),
    narrowed=_OUTER,
)


def lock_bookable(db: Session, *, session_id: str) -> Bookable:
    """Return a session with its site, group and clinician; the session is locked, and who may join held.

    :raises NoSuchSession: when there is none.
    """
    hold_enrolment(db, session_ids=[session_id])
    # The lock is a statement of its own: one that waits for it would see the seats as they were before.
    send_lock_of_session(db, session_id=session_id)
    row = db.execute(_ONE_BOOKABLE, {"of_session": session_id}).first()
    if row is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    return _bookable(row)


@dataclass(frozen=True, kw_only=True)
class Booking:
    """A session with somebody who wants a seat in it, and the seats that they have around it."""

    chosen: Bookable
    patient: records.Patient | None
    #: The present episode; None for whoever is not in treatment.
    episode: records.Episode | None
    held: list[booking.Held]


_present = episodes.alias("present")
#: The id of a patient's present episode.
PRESENT_EPISODE = (
    sa.select(_present.c.episode_id)
    .where(
        _present.c.tenant_id == sa.bindparam("of_tenant"),
        _present.c.patient_id == sa.bindparam("of_patient"),
        _present.c.admitted_at.is_not(None),
        _present.c.discharged_at.is_(None),
    )
    .order_by(_present.c.admitted_at.desc(), _present.c.episode_id)
    .limit(1)
    .scalar_subquery()
)
_own, _there = seats.alias("own"), sessions.alias("there")
_AROUND: sa.BindParameter[timedelta] = sa.bindparam("around", type_=sa.Interval)
_HELD_COLUMNS = {
    **{
        name: _own.c[name]
        for name in ("seat_id", "session_id", "state", "starts_at", "ends_at", "credited_minutes")
    },
    "clinical_minutes": _there.c.clinical_minutes,
}
_HELD_AROUND = (
    sa.select(
        sa.func.json_agg(
            sa.func.json_build_object(*(part for named in _HELD_COLUMNS.items() for part in named)),
            type_=postgresql.JSON,
        )
    )
    .select_from(_own.join(_there, _there.c.session_id == _own.c.session_id))
    .where(
        _own.c.tenant_id == sa.bindparam("of_tenant"),
        _own.c.patient_id == sa.bindparam("of_patient"),
        _own.c.starts_at >= sessions.c.starts_at - _AROUND,
        _own.c.starts_at < sessions.c.starts_at + _AROUND,
    )
    .correlate(sessions)
    .scalar_subquery()
)
_BOOKING = written_once(
    _BOOKABLE.add_columns(records.Patient, records.Episode, _HELD_AROUND)
    .outerjoin(
        records.Patient,
        sa.and_(
            patients.c.patient_id == sa.bindparam("of_patient"),
            patients.c.tenant_id == sa.bindparam("of_tenant"),
        ),
    )
    .outerjoin(records.Episode, episodes.c.episode_id == PRESENT_EPISODE)
    .where(attendance.Session.session_id == sa.bindparam("of_session"))
    .execution_options(populate_existing=True),
    narrowed=(*_OUTER, records.Patient, records.Episode),
)
_LOCK_PATIENT = """
SELECT FROM patients WHERE tenant_id = %(tenant_id)s AND patient_id = %(patient_id)s FOR NO KEY UPDATE
"""


def lock_booking(db: Session, *, session_id: str, patient_id: str, around: timedelta) -> Booking:
    """Return a session with somebody who wants a seat in it, and their seats up to *around* before and after.

    Both are locked, the patient first, and who may join is held: what binds a patient and what they are
    booked into change one after the other.

    :raises NoSuchSession: when there is none.
    """
    tenant_id = origin_of(db).tenant_id
    send_with_next(db.connection(), _LOCK_PATIENT, {"tenant_id": tenant_id, "patient_id": patient_id})
    hold_enrolment(db, session_ids=[session_id])
    send_lock_of_session(db, session_id=session_id)
    whom = {"of_tenant": tenant_id, "of_patient": patient_id}
    row = db.execute(_BOOKING, {**whom, "of_session": session_id, "around": around}).first()
    if row is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    *chosen, patient, episode, held = row
    return Booking(
        chosen=_bookable(chosen),
        patient=patient,
        episode=episode,
        held=[_held(one) for one in held or ()],
    )


def _held(told: dict[str, Any]) -> booking.Held:
    moments = {name: datetime.fromisoformat(told[name]) for name in ("starts_at", "ends_at")}
    return booking.Held(**{**told, **moments})


def bookable_between(
    db: Session,
    *,
    site_id: str,
    since: datetime,
    until: datetime,
    lesson_of: attendance.Session | None = None,
) -> list[Bookable]:
    """Return the planned sessions of a site that start in a stretch of time, by their start.

    :param lesson_of: a session that teaches what they are to teach.
    """
    stretch = {"of_site": site_id, "since": since, "until": until}
    if lesson_of is None:
        return [_bookable(row) for row in db.execute(_BOOKABLE_BETWEEN, stretch)]
    lesson = {
        "of_curriculum": lesson_of.curriculum_id,
        "of_module": lesson_of.module_no,
        "of_part": lesson_of.module_part,
    }
    return [_bookable(row) for row in db.execute(_BOOKABLE_LIKE, stretch | lesson)]


def _bookable(row: Any) -> Bookable:
    session, site, group, facilitator, taken, waited_for = row
    return Bookable(
        session=session,
        site=site,
        group=group,
        facilitator=facilitator,
        taken=frozenset(taken),
        waited_for=waited_for,
    )


_IN_CARE = written_once(
    sa.select(records.Patient, records.Episode)
    .join(records.Episode, records.Episode.patient_id == records.Patient.patient_id)
    .where(
        records.Patient.patient_id == sa.bindparam("of_patient"),
        records.Episode.admitted_at.is_not(None),
        records.Episode.discharged_at.is_(None),
    )
    .order_by(records.Episode.admitted_at.desc(), records.Episode.episode_id)
    .limit(1)
    .with_for_update(of=records.Patient, key_share=True)
    .execution_options(populate_existing=True)
)


def lock_patient_in_care(db: Session, *, patient_id: str) -> tuple[records.Patient, records.Episode] | None:
    """Return a patient with the present episode, if there is one; the patient is locked.

    What binds a patient and what they are booked into change one after the other.
    """
    row = db.execute(_IN_CARE, {"of_patient": patient_id}).first()
    return (row[0], row[1]) if row else None


_HELD = written_once(
    sa.select(
        attendance.Seat.seat_id,
        attendance.Seat.session_id,
        attendance.Seat.state,
        attendance.Seat.starts_at,
        attendance.Seat.ends_at,
        attendance.Session.clinical_minutes,
        attendance.Seat.credited_minutes,
    )
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.patient_id == sa.bindparam("of_patient"),
        attendance.Seat.starts_at >= sa.bindparam("since"),
        attendance.Seat.starts_at < sa.bindparam("until"),
    )
)


def held_by(db: Session, *, patient_id: str, since: datetime, until: datetime) -> list[booking.Held]:
    """Return the seats of a patient that start in a stretch of time, given up ones too."""
    rows = db.execute(_HELD, {"of_patient": patient_id, "since": since, "until": until})
    return [booking.Held(**row._mapping) for row in rows]


_NUMBERS = written_once(
    sa.select(attendance.Seat.session_id, attendance.Seat.number).where(
        attendance.Seat.session_id.in_(sa.bindparam("of_sessions", expanding=True)),
        attendance.Seat.number.is_not(None),
    )
)


def numbers_held(db: Session, *, session_ids: Iterable[str]) -> dict[str, set[int]]:
    """Return the numbers of the seats that are taken in some sessions, by session."""
    found: dict[str, set[int]] = {session_id: set() for session_id in session_ids}
    for session_id, number in db.execute(_NUMBERS, {"of_sessions": list(found)}):
        found[session_id].add(number)
    return found


_LOCKED_SESSIONS = written_once(
    sa.select(attendance.Session)
    .where(attendance.Session.session_id.in_(sa.bindparam("of_sessions", expanding=True)))
    .order_by(attendance.Session.session_id)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


def lock_sessions(db: Session, *, session_ids: Iterable[str]) -> dict[str, attendance.Session]:
    """Return some sessions by id, locked in the order of their ids, so that nobody waits in a circle."""
    rows = db.scalars(_LOCKED_SESSIONS, {"of_sessions": list(session_ids)})
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


def sessions_running_at(db: Session, *, site_id: str, at: datetime) -> list[attendance.Session]:
    """Return the planned sessions of a site that begin before a moment and end after it, by their start."""
    return list(
        db.scalars(
            sa.select(attendance.Session)
            .where(
                attendance.Session.site_id == site_id,
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at < at,
                attendance.Session.starts_at > at - attendance.LONGEST_SESSION,
                attendance.Session.ends_at > at,
            )
            .order_by(attendance.Session.starts_at, attendance.Session.session_id)
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


_SEATED = written_once(
    sa.select(attendance.Seat)
    .where(attendance.Seat.session_id.in_(sa.bindparam("of_sessions", expanding=True)))
    .order_by(attendance.Seat.session_id, attendance.Seat.seat_id)
    .execution_options(populate_existing=True)
)


def seats_of_sessions(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[attendance.Seat]]:
    """Return the seats of some sessions, by session."""
    found: dict[str, list[attendance.Seat]] = {session_id: [] for session_id in session_ids}
    for seat in db.scalars(_SEATED, {"of_sessions": list(found)}):
        found[seat.session_id].append(seat)
    return found


_OPEN_SEATS = written_once(
    sa.select(attendance.Seat)
    .where(
        attendance.Seat.session_id.in_(sa.bindparam("of_sessions", expanding=True)),
        attendance.Seat.state == "SCHEDULED",
    )
    .order_by(attendance.Seat.session_id, attendance.Seat.seat_id)
    .execution_options(populate_existing=True)
)


def open_seats_of(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[attendance.Seat]]:
    """Return the seats of some sessions on which nothing is known yet, by session."""
    found: dict[str, list[attendance.Seat]] = {session_id: [] for session_id in session_ids}
    for seat in db.scalars(_OPEN_SEATS, {"of_sessions": list(found)}):
        found[seat.session_id].append(seat)
    return found


_MADE_UP = written_once(
    sa.select(attendance.Seat.makes_up).where(
        attendance.Seat.makes_up.in_(sa.bindparam("of_seats", expanding=True)),
        attendance.Seat.state.not_in(attendance.GIVEN_UP),
    )
)


def made_up(db: Session, *, seat_ids: Iterable[str]) -> set[str]:
    """Return those of some missed seats for which another makes up that was not given up."""
    return set(db.scalars(_MADE_UP, {"of_seats": list(seat_ids)}))


def is_taken_by_hand(seat: Any, *, after: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """Tell of a seat, or of its table's columns, whether it is to come and no part of a standing week."""
    return sa.and_(
        seat.origin != "PLAN", seat.state.not_in(attendance.LEAVES_TIME_FREE), seat.ends_at > after
    )


_BOOKED_BY_HAND = written_once(
    sa.select(attendance.Seat)
    .where(
        attendance.Seat.patient_id.in_(sa.bindparam("of_patients", expanding=True)),
        is_taken_by_hand(attendance.Seat, after=sa.bindparam("after")),
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


_TAKEN = (
    sa.select(sa.func.count(seats.c.number))
    .where(seats.c.session_id == sessions.c.session_id, seats.c.tenant_id == sessions.c.tenant_id)
    .correlate(sessions)
    .scalar_subquery()
)
_WITH_ROOM = written_once(
    sa.select(attendance.Session, _TAKEN, _WAITED_FOR)
    .where(
        attendance.Session.session_id.in_(sa.bindparam("of_sessions", expanding=True)),
        attendance.Session.state == "PLANNED",
        attendance.Session.starts_at > sa.bindparam("after"),
        attendance.Session.capacity > _TAKEN,
    )
    .order_by(attendance.Session.starts_at, attendance.Session.session_id)
)


def sessions_with_room(
    db: Session, *, session_ids: Iterable[str], after: datetime
) -> list[tuple[attendance.Session, int, bool]]:
    """Return those of some sessions that are to come and not full, by their start.

    Each with how many seats are taken, and whether anybody waits for one.
    """
    rows = db.execute(_WITH_ROOM, {"of_sessions": list(session_ids), "after": after})
    return [(session, taken, waited_for) for session, taken, waited_for in rows]


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


_BOOKED = written_once(
    sa.select(attendance.Session.session_id).where(
        attendance.Session.session_id.in_(sa.bindparam("of_sessions", expanding=True)),
        attendance.Session.state != "CANCELLED",
    )
)


def sessions_booked(db: Session, *, session_ids: Iterable[str]) -> set[str]:
    """Return which of some sessions are booked already, or were called off by the program.

    One that fell away with its only patient is booked anew.
    """
    return set(db.scalars(_BOOKED, {"of_sessions": list(session_ids)}))


_EXISTING = written_once(
    sa.select(attendance.Seat.seat_id).where(
        attendance.Seat.seat_id.in_(sa.bindparam("of_seats", expanding=True))
    )
)


def seats_that_exist(db: Session, *, seat_ids: Iterable[str]) -> set[str]:
    """Return which of some seats somebody has, or had."""
    return set(db.scalars(_EXISTING, {"of_seats": list(seat_ids)}))


_SCHEDULED = written_once(
    sa.select(attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id == sa.bindparam("of_episode"),
        attendance.Seat.state == "SCHEDULED",
        attendance.Seat.starts_at > sa.bindparam("after"),
    )
    .order_by(attendance.Seat.session_id)
)


def scheduled_sessions_of(db: Session, *, episode_id: str, after: datetime) -> list[str]:
    """Return the sessions to come in which an episode has a seat."""
    return list(db.scalars(_SCHEDULED, {"of_episode": episode_id, "after": after}))
