"""What some people missed, and what decides when it comes again, in one look."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, curricula, records
from services.scheduling.tables.attendance import seats, sessions
from services.scheduling.tables.curricula import curricula_table
from services.scheduling.tables.records import episodes, patients, sites
from shared.database import among, origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class Missed:
    """What is known of a session's lesson and of those who missed it."""

    curriculum: curricula.Curriculum
    site: records.Site
    #: By episode, in order: the seats in all sessions that follow a curriculum.
    taught: dict[str, list[tuple[attendance.Seat, attendance.Session]]]
    #: By episode.
    people: dict[str, tuple[records.Episode, records.Patient]]
    #: Those of the missed seats for which another makes up that was not given up.
    made_up: set[str]


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_EPISODES: sa.BindParameter[Any] = sa.bindparam("of_episodes", expanding=True)
_Seat = among(attendance.Seat, seats.c.tenant_id == _OF_TENANT, seats.c.episode_id.in_(_OF_EPISODES))
_Curriculum = among(
    curricula.Curriculum,
    curricula_table.c.tenant_id == _OF_TENANT,
    curricula_table.c.curriculum_id == sa.bindparam("of_curriculum"),
)
_Site = among(records.Site, sites.c.tenant_id == _OF_TENANT, sites.c.site_id == sa.bindparam("of_site"))
_Episode = among(records.Episode, episodes.c.tenant_id == _OF_TENANT, episodes.c.episode_id.in_(_OF_EPISODES))
_Patient = among(
    records.Patient,
    patients.c.tenant_id == _OF_TENANT,
    patients.c.patient_id.in_(sa.bindparam("of_patients", expanding=True)),
)
_made_up = (
    sa.select(seats.c.makes_up)
    .where(
        seats.c.tenant_id == _OF_TENANT,
        seats.c.makes_up.in_(sa.bindparam("of_seats", expanding=True)),
        seats.c.state.not_in(attendance.GIVEN_UP),
    )
    .subquery("made_up")
)
#: Six questions in one: each row tells of a seat and its session or of one other thing, which are joined by
#: nothing.
_MISSED = written_once(
    sa.select(_Seat, attendance.Session, _Curriculum, _Site, _Episode, _Patient, _made_up.c.makes_up)
    .select_from(_Seat)
    .join(
        attendance.Session,
        sa.and_(
            sessions.c.session_id == _Seat.session_id,
            sessions.c.tenant_id == _Seat.tenant_id,
            sessions.c.curriculum_id.is_not(None),
        ),
    )
    .join(_Curriculum, sa.false(), full=True)
    .join(_Site, sa.false(), full=True)
    .join(_Episode, sa.false(), full=True)
    .join(_Patient, sa.false(), full=True)
    .join(_made_up, sa.false(), full=True)
    .order_by(_Seat.starts_at, _Seat.seat_id),
    narrowed=(_Seat, attendance.Session, _Curriculum, _Site, _Episode, _Patient),
)


def missed_in(db: Session, session: attendance.Session, missed: Sequence[attendance.Seat]) -> Missed | None:
    """Return what a session taught and what is known of those who missed it; None where it taught nothing."""
    if session.curriculum_id is None:
        return None
    asked = {
        "of_tenant": origin_of(db).tenant_id,
        "of_curriculum": session.curriculum_id,
        "of_site": session.site_id,
        "of_episodes": sorted({seat.episode_id for seat in missed}),
        "of_patients": sorted({seat.patient_id for seat in missed}),
        "of_seats": [seat.seat_id for seat in missed],
    }
    taught: dict[str, list[tuple[attendance.Seat, attendance.Session]]] = defaultdict(list)
    curriculum, site = None, None
    there: list[records.Episode] = []
    patients_there: dict[str, records.Patient] = {}
    made_up = set()
    for seat, sat_in, followed, at, episode, patient, makes_up in db.execute(_MISSED, asked):
        if seat is not None:
            taught[seat.episode_id].append((seat, sat_in))
        elif episode is not None:
            there.append(episode)
        elif patient is not None:
            patients_there[patient.patient_id] = patient
        elif makes_up is not None:
            made_up.add(makes_up)
        else:
            curriculum, site = curriculum or followed, site or at
    if curriculum is None or site is None:
        return None
    return Missed(
        curriculum=curriculum,
        site=site,
        taught=taught,
        people={
            one.episode_id: (one, patients_there[one.patient_id])
            for one in there
            if one.patient_id in patients_there
        },
        made_up=made_up,
    )


#: A statement of its own: one that waits for the lock would see the seat as it was before.
_LOCK_SESSION_OF_SEAT = """
SELECT FROM sessions
WHERE tenant_id = %(tenant_id)s AND session_id = (
    SELECT session_id FROM seats WHERE tenant_id = %(tenant_id)s AND seat_id = %(seat_id)s)
FOR NO KEY UPDATE
"""
_SEAT_IN_SESSION = written_once(
    sa.select(attendance.Seat, attendance.Session)
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(attendance.Seat.seat_id == sa.bindparam("of_seat"))
    .execution_options(populate_existing=True)
)


def lock_session_of_seat(
    db: Session, *, seat_id: str
) -> tuple[attendance.Seat, attendance.Session] | tuple[None, None]:
    """Return a seat and its session, locked: marks of one session follow one another."""
    send_with_next(
        db.connection(), _LOCK_SESSION_OF_SEAT, {"tenant_id": origin_of(db).tenant_id, "seat_id": seat_id}
    )
    row = db.execute(_SEAT_IN_SESSION, {"of_seat": seat_id}).first()
    return (row[0], row[1]) if row else (None, None)
