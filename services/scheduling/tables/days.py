"""Sessions and seats of a stretch of time: of a site's day, of a patient, of a clinician."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, clinicians
from services.scheduling.domain.attendance import LEAVES_TIME_FREE
from services.scheduling.tables.attendance import seats, sessions
from services.scheduling.tables.clinicians import clinicians_table
from services.scheduling.tables.notes import session_notes
from shared.contracts.scheduling import ATTENDED_STATES
from shared.database import origin_of, written_once

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
_ATTENDED = written_once(
    sa.select(
        attendance.Session.session_id,
        attendance.Session.kind,
        attendance.Session.modality,
        attendance.Session.starts_at,
        clinicians.Clinician,
        _PEOPLE.label("people"),
        _SAT.c.seats,
    )
    .select_from(attendance.Session)
    .join(_SAT, _SAT.c.session_id == sessions.c.session_id)
    .outerjoin(
        clinicians.Clinician,
        sa.and_(
            clinicians_table.c.clinician_id == sessions.c.facilitator_id,
            clinicians_table.c.tenant_id == sessions.c.tenant_id,
        ),
    )
    .execution_options(populate_existing=True),
    narrowed=(clinicians.Clinician,),
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


def attended_within(
    db: Session, *, episode_ids: Iterable[str], since: datetime, until: datetime
) -> list[Attended]:
    """Return the sessions of a stretch at which somebody of some episodes was there, in no order."""
    asked = {"of_tenant": origin_of(db).tenant_id, "of_episodes": sorted(set(episode_ids))}
    rows = db.execute(_ATTENDED, {**asked, "since": since, "until": until})
    return [
        Attended(
            session_id=session_id,
            kind=kind,
            modality=modality,
            starts_at=starts_at,
            leader=leader,
            people=people,
            seats=sat,
        )
        for session_id, kind, modality, starts_at, leader, people, sat in rows
    ]


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
