"""Notes on sessions, and what of them was told to billing."""

from collections.abc import Iterable
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance
from services.scheduling.domain.deliveries import ServiceDay
from services.scheduling.domain.notes import Addendum, Note
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import NOTE_STATES
from shared.database import (
    id_column,
    moment,
    origin_of,
    reference,
    sealed,
    sealed_column,
    tenant_column,
    written_once,
)

session_notes = Table(
    "session_notes",
    metadata,
    id_column("note_id"),
    tenant_column(),
    Column("session_id", sa.Uuid(as_uuid=False), ForeignKey("sessions.session_id"), nullable=False),
    reference("seat_id", nullable=True),
    reference("patient_id", nullable=True),
    Column("author_id", sa.String(64), nullable=False),
    Column("author_role", sa.String(32), nullable=False),
    Column("written_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("signed_at", moment()),
    Column("signed_credential", sa.String(16)),
    Column("cosigned_by", sa.String(64)),
    Column("cosigned_role", sa.String(32)),
    Column("cosigned_credential", sa.String(16)),
    Column("cosigned_at", moment()),
    sealed_column("text"),
    one_of("state", NOTE_STATES),
    # One note about the whole session, and one about each patient in it.
    Index("uq_session_notes_session", "session_id", unique=True, postgresql_where=sa.text("seat_id IS NULL")),
    Index("uq_session_notes_seat", "session_id", "seat_id", unique=True),
)

note_addenda = Table(
    "note_addenda",
    metadata,
    id_column("addendum_id"),
    tenant_column(),
    Column("note_id", sa.Uuid(as_uuid=False), ForeignKey("session_notes.note_id"), nullable=False),
    Column("author_id", sa.String(64), nullable=False),
    Column("author_role", sa.String(32), nullable=False),
    Column("author_credential", sa.String(16), nullable=False),
    Column("added_at", moment(), nullable=False),
    sealed_column("text"),
    Index(None, "note_id", "added_at"),
)

service_days = Table(
    "service_days",
    metadata,
    id_column("delivery_id"),
    tenant_column(),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("served_on", sa.Date, nullable=False),
    Column("kinds", JSONB, nullable=False),
    Column("minutes", JSONB, nullable=False),
    Column("attended_minutes", sa.Integer, nullable=False, server_default="0"),
    Column("gaps", JSONB, nullable=False, server_default="[]"),
    Column("modalities", JSONB, nullable=False, server_default="[]"),
    Column("family_forms", JSONB, nullable=False, server_default="[]"),
    Column("family_alone_minutes", sa.Integer, nullable=False, server_default="0"),
    Column("revision", sa.Integer, nullable=False),
    Index(None, "tenant_id", "episode_id", "served_on"),
)

mapper.map_imperatively(Note, session_notes)
mapper.map_imperatively(Addendum, note_addenda)
mapper.map_imperatively(ServiceDay, service_days)
sealed(Note, key="note_id", fields=("text",))
sealed(Addendum, key="addendum_id", fields=("text",))


_NOTES = written_once(
    sa.select(Note)
    .where(Note.session_id.in_(sa.bindparam("of_sessions", expanding=True)))
    .order_by(Note.written_at, Note.note_id)
)


def notes_of(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[Note]]:
    """Return the notes on some sessions, by session, the first written first."""
    found: dict[str, list[Note]] = {session_id: [] for session_id in session_ids}
    for note in db.scalars(_NOTES, {"of_sessions": list(found)}):
        found[note.session_id].append(note)
    return found


def addenda_of(db: Session, *, note_ids: Iterable[str]) -> dict[str, list[Addendum]]:
    """Return what was added to some notes, by note, in the order in which it was."""
    found: dict[str, list[Addendum]] = {note_id: [] for note_id in note_ids}
    if not found:
        return found
    rows = db.scalars(
        sa.select(Addendum)
        .where(Addendum.note_id.in_(list(found)))
        .order_by(Addendum.added_at, Addendum.addendum_id)
    )
    for addendum in rows:
        found[addendum.note_id].append(addendum)
    return found


_OVERDUE = (
    sa.select(attendance.Session)
    .where(attendance.Session.note_due_at.is_not(None), attendance.Session.note_due_at <= sa.bindparam("by"))
    .order_by(attendance.Session.session_id)
    # Who marks or notes one of them right now is not waited for: the next reminder sees it.
    .with_for_update(key_share=True, skip_locked=True)
)
_OVERDUE_AT_SITE = written_once(_OVERDUE.where(attendance.Session.site_id == sa.bindparam("of_site")))
_OVERDUE_OF_LEADER = written_once(
    _OVERDUE.where(attendance.Session.facilitator_id == sa.bindparam("of_leader"))
)


def overdue_at(db: Session, *, site_id: str, now: datetime) -> list[attendance.Session]:
    """Return the sessions of a site, locked, whose signed note was due by now."""
    return list(db.scalars(_OVERDUE_AT_SITE, {"of_site": site_id, "by": now}))


def overdue_of(db: Session, *, facilitator_id: str, now: datetime) -> list[attendance.Session]:
    """Return the sessions that somebody led, locked, whose signed note was due by now."""
    return list(db.scalars(_OVERDUE_OF_LEADER, {"of_leader": facilitator_id, "by": now}))


def unsigned_notes(
    db: Session,
    *,
    site_id: str | None,
    facilitator_id: str | None,
    due_before: datetime | None,
    after: tuple[datetime, str] | None,
    at_most: int,
) -> list[attendance.Session]:
    """Return the sessions that need a signed note, the one due first first."""
    found = (
        sa.select(attendance.Session)
        .where(attendance.Session.note_due_at.is_not(None))
        .order_by(attendance.Session.note_due_at, attendance.Session.session_id)
        .limit(at_most)
    )
    if site_id is not None:
        found = found.where(attendance.Session.site_id == site_id)
    if facilitator_id is not None:
        found = found.where(attendance.Session.facilitator_id == facilitator_id)
    if due_before is not None:
        found = found.where(attendance.Session.note_due_at <= due_before)
    if after is not None:
        found = found.where(
            sa.tuple_(attendance.Session.note_due_at, attendance.Session.session_id) > sa.tuple_(*after)
        )
    return list(db.scalars(found))


def days_without_credential(db: Session, *, site_id: str, since: date) -> list[date]:
    """Return the days of a site on which a session could not be billed for want of a credential."""
    columns = service_days.c
    found = sa.select(columns.served_on).where(
        columns.tenant_id == origin_of(db).tenant_id,
        columns.site_id == site_id,
        columns.served_on >= since,
        columns.gaps.contains(["NO_VALID_CREDENTIAL"]),
    )
    return list(db.scalars(found.distinct().order_by(columns.served_on)))
