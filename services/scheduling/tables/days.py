"""Sessions and seats of a stretch of time: of a site's day, of a patient, of a clinician."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, clinicians
from services.scheduling.domain.attendance import LEAVES_TIME_FREE
from services.scheduling.domain.deliveries import ServiceDay
from services.scheduling.tables.attendance import seats, sessions
from services.scheduling.tables.clinicians import clinicians_table
from services.scheduling.tables.notes import service_days, session_notes
from shared.contracts.scheduling import ATTENDED_STATES
from shared.database import origin_of, send_with_next, written_once

_OF_DAY = written_once(
    sa.select(attendance.Session)
    .where(
        attendance.Session.site_id == sa.bindparam("of_site"),
        attendance.Session.starts_at >= sa.bindparam("since"),
        attendance.Session.starts_at < sa.bindparam("until"),
        attendance.Session.state != "CANCELLED",
    )
    .order_by(attendance.Session.starts_at, attendance.Session.session_id)
)
_ROSTERS = written_once(
    sa.select(attendance.Seat)
    .where(attendance.Seat.session_id.in_(sa.bindparam("of_sessions", expanding=True)))
    .order_by(attendance.Seat.session_id, attendance.Seat.seat_id)
)


def sessions_of_day(
    db: Session, *, site_id: str, since: datetime, until: datetime
) -> list[tuple[attendance.Session, list[attendance.Seat]]]:
    """Return a site's sessions that start within a stretch, each with its seats."""
    held = list(db.scalars(_OF_DAY, {"of_site": site_id, "since": since, "until": until}))
    seated = rosters_of(db, session_ids=[session.session_id for session in held])
    return [(session, seated[session.session_id]) for session in held]


def rosters_of(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[attendance.Seat]]:
    """Return the seats of some sessions, by session, in the order of their ids."""
    found: dict[str, list[attendance.Seat]] = {session_id: [] for session_id in session_ids}
    if not found:
        return found
    for seat in db.scalars(_ROSTERS, {"of_sessions": list(found)}):
        found[seat.session_id].append(seat)
    return found


_WITHIN = written_once(
    sa.select(attendance.Seat, attendance.Session)
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id == sa.bindparam("of_episode"),
        attendance.Seat.starts_at >= sa.bindparam("since"),
        attendance.Seat.starts_at < sa.bindparam("until"),
    )
    .order_by(attendance.Seat.starts_at, attendance.Seat.seat_id)
)


def seats_within(
    db: Session, *, episode_id: str, since: datetime, until: datetime
) -> list[tuple[attendance.Seat, attendance.Session]]:
    """Return an episode's seats that start within a stretch, each with its session."""
    rows = db.execute(_WITHIN, {"of_episode": episode_id, "since": since, "until": until})
    return [(seat, session) for seat, session in rows]


_others, _own = seats.alias("others"), seats.alias("own")


def _served(sat: sa.Alias) -> sa.ColumnElement[bool]:
    """Tell of a seat whether the patient was there, or the family without them."""
    return sa.or_(sat.c.state.in_(ATTENDED_STATES), sat.c.family_minutes > 0)


_PEOPLE = (
    sa.select(sa.func.count())
    .select_from(_others)
    .where(
        _others.c.session_id == sessions.c.session_id,
        _others.c.tenant_id == sessions.c.tenant_id,
        _served(_others),
    )
    .correlate(sessions)
    .scalar_subquery()
)
#: Whether whoever sat there stands in a signed note; see :func:`services.scheduling.domain.notes.is_noted`.
_NOTED = (
    sa.exists()
    .where(
        session_notes.c.session_id == _own.c.session_id,
        session_notes.c.tenant_id == _own.c.tenant_id,
        session_notes.c.state == "SIGNED",
        sa.or_(session_notes.c.seat_id.is_(None), session_notes.c.seat_id == _own.c.seat_id),
    )
    .correlate(_own)
)
_SAT_COLUMNS = ("seat_id", "episode_id", "credited_minutes", "family_minutes", "not_seen_because")
#: The seats of a session on which somebody of those asked about was there, or their family. Found once,
#: whatever the planner takes the tables to hold: where nothing is known of them yet, it would look for them
#: with each session.
_SAT = (
    sa.select(
        _own.c.session_id,
        sa.func.json_agg(
            sa.func.json_build_object(
                *(part for name in _SAT_COLUMNS for part in (name, _own.c[name])), "noted", _NOTED
            ),
            type_=postgresql.JSON,
        ).label("seats"),
    )
    .where(
        _own.c.tenant_id == sa.bindparam("of_tenant"),
        _own.c.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        _served(_own),
        _own.c.starts_at >= sa.bindparam("since"),
        _own.c.starts_at < sa.bindparam("until"),
    )
    .group_by(_own.c.session_id)
    .cte("sat")
    .prefix_with("MATERIALIZED")
)
_TOLD_DAYS = (
    sa.select(ServiceDay)
    .where(
        ServiceDay.delivery_id.in_(sa.bindparam("of_days", expanding=True)),
        service_days.c.tenant_id == sa.bindparam("of_tenant"),
    )
    .subquery("told_days")
)
_Told = orm.aliased(ServiceDay, _TOLD_DAYS)
#: Two questions in one: each row tells of a session or of a day, which are joined by nothing.
_ATTENDED = written_once(
    sa.select(
        attendance.Session.session_id,
        attendance.Session.kind,
        attendance.Session.modality,
        attendance.Session.starts_at,
        clinicians.Clinician,
        _PEOPLE.label("people"),
        _SAT.c.seats,
        _Told,
    )
    .select_from(attendance.Session)
    .join(
        _SAT,
        sa.and_(
            _SAT.c.session_id == sessions.c.session_id, sessions.c.tenant_id == sa.bindparam("of_tenant")
        ),
    )
    .outerjoin(
        clinicians.Clinician,
        sa.and_(
            clinicians_table.c.clinician_id == sessions.c.facilitator_id,
            clinicians_table.c.tenant_id == sessions.c.tenant_id,
        ),
    )
    .join(_Told, sa.false(), full=True)
    .order_by(_Told.delivery_id)
    .execution_options(populate_existing=True),
    narrowed=(attendance.Session, clinicians.Clinician, _Told),
)


@dataclass(frozen=True, kw_only=True)
class Attended:
    """A session at which some of those asked about were there: who led it, how many people, who sat where."""

    session_id: str
    kind: str
    modality: str
    starts_at: datetime
    leader: clinicians.Clinician | None
    people: int
    #: By column: the seat, its episode and the minutes that are credited; and whether it is in a signed note.
    seats: list[dict[str, Any]]


#: What is known of a day before anything was told of it; nothing else is, so the columns say so.
_TOLD_OF_DAY = ("delivery_id", "patient_id", "episode_id", "journey_id", "site_id", "served_on")
_NEW_DAYS = """
INSERT INTO service_days (delivery_id, patient_id, episode_id, journey_id, site_id, served_on,
    tenant_id, kinds, minutes, revision)
SELECT made.*, %(tenant_id)s, '[]'::jsonb, '[]'::jsonb, 0
FROM unnest(%(delivery_id)s::uuid[], %(patient_id)s::uuid[], %(episode_id)s::uuid[], %(journey_id)s::uuid[],
    %(site_id)s::uuid[], %(served_on)s::date[]) AS made
ON CONFLICT DO NOTHING
"""
#: They are counted, so that not each of them is told of.
_LOCK_DAYS = """
SELECT count(*) FROM (
    SELECT FROM service_days WHERE tenant_id = %(tenant_id)s AND delivery_id = ANY(%(delivery_ids)s::uuid[])
    ORDER BY delivery_id FOR UPDATE
) AS locked
"""


def lock_service_days(
    db: Session, *, days: list[ServiceDay], new: list[ServiceDay], since: datetime, until: datetime
) -> tuple[list[ServiceDay], list[Attended]]:
    """Return what was told of some patients' days, locked, where anything was, and what they attended.

    :param new: days that are made where nothing was told of them yet.
    :return: the days that were told of, and, in no order, the sessions between the two moments at which
        somebody of theirs was there.
    """
    tenant_id = origin_of(db).tenant_id
    if new:
        # Sorted, so that two who make the same days wait for each other and never in a circle.
        made = sorted(new, key=lambda day: day.delivery_id)
        told: dict[str, Any] = {name: [getattr(day, name) for day in made] for name in _TOLD_OF_DAY}
        send_with_next(db.connection(), _NEW_DAYS, {**told, "tenant_id": tenant_id})
    # The lock is a statement of its own: one that waits for it would see the days as they were before.
    delivery_ids = [day.delivery_id for day in days]
    send_with_next(db.connection(), _LOCK_DAYS, {"tenant_id": tenant_id, "delivery_ids": delivery_ids})
    asked = {
        "of_tenant": tenant_id,
        "of_days": delivery_ids,
        "of_episodes": sorted({day.episode_id for day in days}),
        "since": since,
        "until": until,
    }
    rows = db.execute(_ATTENDED, asked).all()
    attended = [
        Attended(
            session_id=session_id,
            kind=kind,
            modality=modality,
            starts_at=starts_at,
            leader=leader,
            people=people,
            seats=sat,
        )
        for session_id, kind, modality, starts_at, leader, people, sat, _ in rows
        if session_id is not None
    ]
    return [row[-1] for row in rows if row[-1] is not None], attended


def has_seat_between(db: Session, *, patient_id: str, since: datetime, until: datetime, besides: str) -> bool:
    """Tell whether a patient has a seat that overlaps a stretch.

    :param besides: a session that does not count.
    """
    return bool(
        db.scalar(
            sa.select(
                sa.exists().where(
                    attendance.Seat.patient_id == patient_id,
                    attendance.Seat.state.not_in(LEAVES_TIME_FREE),
                    attendance.Seat.session_id != besides,
                    attendance.Seat.starts_at < until,
                    attendance.Seat.ends_at > since,
                    # The index is on the start, and no session lasts a day.
                    attendance.Seat.starts_at > since - attendance.LONGEST_SESSION,
                    attendance.Seat.tenant_id == db.info["tenant_id"],
                )
            )
        )
    )


def _stretch(since: datetime, until: datetime) -> dict[str, datetime]:
    """Return what a calendar is filled in with: the index is on the start, and no session lasts a day."""
    return {"since": since, "until": until, "earliest": since - attendance.LONGEST_SESSION}


_PATIENTS_CALENDAR = written_once(
    sa.select(
        attendance.Seat.seat_id,
        attendance.Seat.starts_at,
        attendance.Seat.ends_at,
        attendance.Seat.state,
    )
    .where(
        attendance.Seat.patient_id == sa.bindparam("whose"),
        attendance.Seat.starts_at > sa.bindparam("earliest"),
        attendance.Seat.starts_at < sa.bindparam("until"),
        attendance.Seat.ends_at > sa.bindparam("since"),
    )
    .order_by(attendance.Seat.starts_at, attendance.Seat.seat_id)
)
_CLINICIANS_CALENDAR = written_once(
    sa.select(
        attendance.Session.session_id,
        attendance.Session.starts_at,
        attendance.Session.ends_at,
        attendance.Session.state,
    )
    .where(
        attendance.Session.facilitator_id == sa.bindparam("whose"),
        attendance.Session.starts_at > sa.bindparam("earliest"),
        attendance.Session.starts_at < sa.bindparam("until"),
        attendance.Session.ends_at > sa.bindparam("since"),
    )
    .order_by(attendance.Session.starts_at, attendance.Session.session_id)
)


def calendar_of_patient(
    db: Session, *, patient_id: str, since: datetime, until: datetime
) -> list[tuple[str, datetime, datetime, bool]]:
    """Return id, start, end and whether it is called off of each of a patient's seats, by start."""
    rows = db.execute(_PATIENTS_CALENDAR, _stretch(since, until) | {"whose": patient_id})
    return [(row[0], row[1], row[2], row[3] in LEAVES_TIME_FREE) for row in rows]


def calendar_of_clinician(
    db: Session, *, clinician_id: str, since: datetime, until: datetime
) -> list[tuple[str, datetime, datetime, bool]]:
    """Return id, start, end and whether it is called off of each session that a clinician leads, by start."""
    rows = db.execute(_CLINICIANS_CALENDAR, _stretch(since, until) | {"whose": clinician_id})
    return [(row[0], row[1], row[2], row[3] != "PLANNED") for row in rows]
