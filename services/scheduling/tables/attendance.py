"""Sessions and seats, and the named queries about who came."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSON, JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance
from services.scheduling.tables.base import mapper, metadata, one_of, one_place_at_a_time
from shared.contracts.scheduling import (
    ATTENDED_STATES,
    MODES,
    NOT_SEEN_REASONS,
    SEAT_ORIGINS,
    SEAT_STATES,
    SESSION_KINDS,
)
from shared.database import (
    id_column,
    moment,
    origin_of,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
)

sessions = Table(
    "sessions",
    metadata,
    id_column("session_id"),
    tenant_column(),
    reference("site_id"),
    reference("group_id", nullable=True),
    ForeignKeyConstraint(["tenant_id", "group_id"], ["groups.tenant_id", "groups.group_id"]),
    Column("kind", sa.String(16), nullable=False),
    Column("modality", sa.String(32), nullable=False),
    reference("facilitator_id"),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("capacity", sa.Integer, nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("cancelled_at", moment()),
    Column("cancellation_reason", sa.String(32)),
    Column("first_mark_at", moment()),
    Column("roster_asked", sa.String(16), nullable=False),
    Column("note_due_at", moment()),
    Column("noted_at", moment()),
    Column("note_asked", sa.Boolean, nullable=False, server_default="false"),
    Column("question_asked_for", sa.Boolean, nullable=False, server_default="false"),
    Column("mode", sa.String(16), nullable=False, server_default="IN_PERSON"),
    reference("room_id", nullable=True),
    reference("curriculum_id", nullable=True),
    Column("module_no", sa.SmallInteger),
    Column("module_part", sa.SmallInteger, nullable=False, server_default="1"),
    Column("skill_tags", JSONB, nullable=False, server_default="[]"),
    one_of("kind", SESSION_KINDS),
    one_of("mode", MODES),
    one_of("state", ("PLANNED", "CANCELLED", "CANCELLED_BY_PROGRAM")),
    one_of("roster_asked", ("NOBODY", "FACILITATOR", "SUPERVISOR", "DONE")),
    sa.CheckConstraint("starts_at < ends_at", name="starts_before_end"),
    one_place_at_a_time("facilitator_id", name="ex_sessions_facilitator", where="state = 'PLANNED'"),
    one_place_at_a_time(
        "room_id", name="ex_sessions_room", where="state = 'PLANNED' AND room_id IS NOT NULL"
    ),
    Index(None, "tenant_id", "site_id", "starts_at"),
    Index("ix_sessions_facilitator", "tenant_id", "facilitator_id", "starts_at"),
    Index(
        "ix_sessions_unnoted", "tenant_id", "note_due_at", postgresql_where=sa.text("note_due_at IS NOT NULL")
    ),
)

seats = Table(
    "seats",
    metadata,
    id_column("seat_id"),
    tenant_column(),
    Column("session_id", sa.Uuid(as_uuid=False), ForeignKey("sessions.session_id"), nullable=False),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("capacity", sa.Integer, nullable=False),
    Column("number", sa.Integer),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("checked_in_at", moment()),
    Column("arrived_at", moment()),
    Column("left_at", moment()),
    Column("credited_minutes", sa.Integer, nullable=False),
    Column("family_minutes", sa.Integer),
    Column("checked_out_at", moment()),
    Column("check_out_answer", sa.String(16)),
    Column("check_out_asked", sa.Boolean, nullable=False, server_default="false"),
    Column("walked_in", sa.Boolean, nullable=False, server_default="false"),
    Column("excuse_reason", sa.String(32)),
    sealed_column("note"),
    Column("told", sa.Boolean, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    Column("origin", sa.String(8), nullable=False, server_default="PLAN"),
    reference("makes_up", nullable=True),
    reference("swapped_to", nullable=True),
    Column("not_seen_because", sa.String(32)),
    one_of("state", SEAT_STATES),
    one_of("origin", SEAT_ORIGINS),
    one_of("not_seen_because", NOT_SEEN_REASONS),
    UniqueConstraint("tenant_id", "session_id", "number"),
    sa.CheckConstraint("number BETWEEN 1 AND capacity", name="within_capacity"),
    one_place_at_a_time(
        "patient_id",
        name="ex_seats_patient",
        where="state NOT IN ('CANCELLED', 'CANCELLED_BY_PROGRAM', 'EXCUSED')",
    ),
    Index(None, "tenant_id", "episode_id", "starts_at"),
    Index("ix_seats_patient", "tenant_id", "patient_id", "starts_at"),
)

mapper.map_imperatively(attendance.Session, sessions)
mapper.map_imperatively(attendance.Seat, seats)
sealed(attendance.Seat, key="seat_id", fields=("note",))

#: Seats whose outcome counts when absences in a row are counted.
_JUDGED = ("NO_SHOW", "CHECKED_IN", *ATTENDED_STATES)


_OF_SESSION: sa.BindParameter[Any] = sa.bindparam("of_session")
_LOCKED_SESSION = written_once(
    sa.select(attendance.Session)
    .where(attendance.Session.session_id == _OF_SESSION)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_SEATS = written_once(
    sa.select(attendance.Seat)
    .where(attendance.Seat.session_id == _OF_SESSION)
    .order_by(attendance.Seat.seat_id)
    .execution_options(populate_existing=True)
)


def lock_session(db: Session, *, session_id: str) -> attendance.Session:
    """Return the session, locked: marks of one session follow one another.

    :raises NoSuchSession: when there is none.
    """
    session: attendance.Session | None = db.scalar(_LOCKED_SESSION, {"of_session": session_id})
    if session is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    return session


def seats_of(db: Session, *, session_id: str) -> list[attendance.Seat]:
    """Return the seats of a session as they are now, in the order of their ids."""
    return list(db.scalars(_SEATS, {"of_session": session_id}))


_LOCK_SESSION = """
SELECT FROM sessions WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s FOR NO KEY UPDATE
"""


def send_lock_of_session(db: Session, *, session_id: str) -> None:
    """Have the next statement wait for the session, and others wait for us: marks follow one another."""
    locked = {"tenant_id": origin_of(db).tenant_id, "session_id": session_id}
    send_with_next(db.connection(), _LOCK_SESSION, locked)


_LOCK_SESSIONS = """
SELECT count(*) FROM (
    SELECT FROM sessions WHERE tenant_id = %(tenant_id)s AND session_id = ANY(%(session_ids)s::uuid[])
    ORDER BY session_id FOR NO KEY UPDATE
) AS locked
"""


def send_locks_of_sessions(db: Session, *, session_ids: list[str]) -> None:
    """Likewise for some sessions, in the order of their ids, so that nobody waits in a circle."""
    if len(session_ids) == 1:
        send_lock_of_session(db, session_id=session_ids[0])
        return
    locked = {"tenant_id": origin_of(db).tenant_id, "session_ids": session_ids}
    send_with_next(db.connection(), _LOCK_SESSIONS, locked)


_PAST = written_once(
    sa.select(
        attendance.Seat.episode_id,
        attendance.Seat.seat_id,
        attendance.Seat.starts_at,
        attendance.Seat.state,
    )
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        attendance.Seat.state.in_(_JUDGED),
        attendance.Session.clinical_minutes > 0,
    )
)


def past_of(db: Session, *, episode_ids: Iterable[str]) -> dict[str, list[attendance.Seen]]:
    """Return the judged seats of some episodes, by episode; support groups are no part of it."""
    found: dict[str, list[attendance.Seen]] = {episode_id: [] for episode_id in episode_ids}
    if not found:
        return found
    for episode_id, seat_id, starts_at, state in db.execute(_PAST, {"of_episodes": list(found)}):
        found[episode_id].append(attendance.Seen(seat_id=seat_id, starts_at=starts_at, state=state))
    return found


_BETWEEN = written_once(
    sa.select(
        attendance.Seat.episode_id,
        attendance.Seat.state,
        attendance.Seat.credited_minutes,
        attendance.Session.clinical_minutes,
    )
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        attendance.Seat.starts_at >= sa.bindparam("since"),
        attendance.Seat.starts_at < sa.bindparam("until"),
        attendance.Session.clinical_minutes > 0,
    )
)


def seats_between(
    db: Session, *, episode_ids: Iterable[str], since: datetime, until: datetime
) -> dict[str, list[tuple[str, int, int]]]:
    """Return state, credited and clinical minutes of the seats in a stretch of time, by episode.

    Support groups are left out: that one was called off does not excuse a week of treatment.
    """
    found: dict[str, list[tuple[str, int, int]]] = {episode_id: [] for episode_id in episode_ids}
    rows = db.execute(_BETWEEN, {"of_episodes": list(found), "since": since, "until": until})
    for episode_id, state, credited, clinical in rows:
        found[episode_id].append((state, credited, clinical))
    return found


#: Before and after all that Homeward knows of, and before every id: a page without these limits.
_EVER: tuple[datetime, datetime] = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_FIRST_ID = str(UUID(int=0))


def _beyond(starts_at: Any, id_: Any) -> sa.ColumnElement[bool]:
    """Return whether a row is of a page: within its stretch, and after the last row of the page before."""
    last = (
        sa.bindparam("after_start", type_=moment()),
        sa.bindparam("after_id", type_=sa.Uuid(as_uuid=False)),
    )
    within = sa.and_(starts_at >= sa.bindparam("since"), starts_at < sa.bindparam("until"))
    return sa.and_(within, sa.tuple_(starts_at, id_) > sa.tuple_(*last))


def _page(
    *, since: datetime | None, until: datetime | None, after: tuple[datetime, str] | None, at_most: int
) -> dict[str, Any]:
    """Return what a page is filled in with; what is None limits nothing."""
    after_start, after_id = after or (_EVER[0], _FIRST_ID)
    return {
        "since": since or _EVER[0],
        "until": until or _EVER[1],
        "after_start": after_start,
        "after_id": after_id,
        "at_most": at_most,
    }


_COUNTED = (
    sa.select(seats.c.state, sa.func.count().label("number"))
    .where(seats.c.session_id == sessions.c.session_id, seats.c.tenant_id == sessions.c.tenant_id)
    .correlate(sessions)
    .group_by(seats.c.state)
    .subquery()
)
#: What a page tells of each session, in the order in which it tells it.
_PAGE_OF_ALL = written_once(
    sa.select(
        attendance.Session.session_id,
        attendance.Session.site_id,
        attendance.Session.group_id,
        attendance.Session.kind,
        attendance.Session.modality,
        attendance.Session.mode,
        attendance.Session.facilitator_id,
        attendance.Session.starts_at,
        attendance.Session.ends_at,
        attendance.Session.clinical_minutes,
        attendance.Session.capacity,
        attendance.Session.state,
        attendance.Session.cancellation_reason,
        attendance.Session.roster_asked,
        attendance.Session.room_id,
        attendance.Session.curriculum_id,
        attendance.Session.module_no,
        attendance.Session.module_part,
        attendance.Session.skill_tags,
        sa.select(
            sa.func.json_object_agg(
                _COUNTED.c.state, aggregate_order_by(_COUNTED.c.number, _COUNTED.c.state), type_=JSON
            )
        )
        .scalar_subquery()
        .label("counts"),
    )
    .where(_beyond(attendance.Session.starts_at, attendance.Session.session_id))
    .order_by(attendance.Session.starts_at, attendance.Session.session_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_PAGE_OF_SITE = written_once(_PAGE_OF_ALL.where(attendance.Session.site_id == sa.bindparam("of_site")))


def page_of_sessions(
    db: Session,
    *,
    site_id: str | None,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, str] | None,
    at_most: int,
) -> list[dict[str, Any]]:
    """Return what is told of sessions, by start and id, from *since* up to but without *until*.

    Each has the names of its columns, and under ``counts`` how many seats it has in which state.
    """
    page = _page(since=since, until=until, after=after, at_most=at_most)
    rows = (
        db.execute(_PAGE_OF_ALL, page)
        if site_id is None
        else db.execute(_PAGE_OF_SITE, {**page, "of_site": site_id})
    )
    names = tuple(rows.keys())
    # By position: asking each row for each column by name takes longer than reading them.
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**one, "counts": one["counts"] or {}} for one in found]


_OF_EPISODE = written_once(
    sa.select(attendance.Seat, attendance.Session)
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id == sa.bindparam("of_episode"),
        _beyond(attendance.Seat.starts_at, attendance.Seat.seat_id),
    )
    .order_by(attendance.Seat.starts_at, attendance.Seat.seat_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)


def seats_of_episode(
    db: Session,
    *,
    episode_id: str,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, str] | None,
    at_most: int,
) -> list[tuple[attendance.Seat, attendance.Session]]:
    """Return the seats of an episode by start and id, each with its session."""
    page = _page(since=since, until=until, after=after, at_most=at_most)
    rows = db.execute(_OF_EPISODE, {"of_episode": episode_id, **page})
    return [(seat, session) for seat, session in rows]
