"""Rooms, closures, absences and telehealth visits, and the named queries about them."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table
from sqlalchemy.orm import Session

from services.scheduling.domain import clinicians, rooms, telehealth
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import ABSENCE_REASONS, CANCELLATION_REASONS, TELEHEALTH_PLACES
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

rooms_table = Table(
    "rooms",
    metadata,
    id_column("room_id"),
    tenant_column(primary_key=True),
    reference("site_id"),
    Column("label", sa.String(80), nullable=False),
    Column("places", sa.Integer, nullable=False),
    Column("added_at", moment(), nullable=False),
    Index(None, "tenant_id", "site_id"),
)

closures = Table(
    "closures",
    metadata,
    id_column("closure_id"),
    tenant_column(),
    reference("site_id"),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("reason", sa.String(32), nullable=False),
    Column("declared_at", moment(), nullable=False),
    one_of("reason", CANCELLATION_REASONS),
    sa.CheckConstraint("starts_at < ends_at", name="starts_before_end"),
    Index(None, "tenant_id", "site_id", "starts_at"),
)

absences = Table(
    "absences",
    metadata,
    id_column("absence_id"),
    tenant_column(),
    reference("clinician_id"),
    reference("site_id"),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("reason", sa.String(16), nullable=False),
    Column("recorded_at", moment(), nullable=False),
    reference("stand_in_id", nullable=True),
    one_of("reason", ABSENCE_REASONS),
    sa.CheckConstraint("starts_at < ends_at", name="starts_before_end"),
    Index(None, "tenant_id", "site_id", "ends_at"),
)

telehealth_visits = Table(
    "telehealth_visits",
    metadata,
    Column("seat_id", sa.Uuid(as_uuid=False), ForeignKey("seats.seat_id"), primary_key=True),
    tenant_column(),
    reference("session_id"),
    Column("state", sa.String(2), nullable=False),
    Column("place", sa.String(16), nullable=False),
    Column("privacy_attested", sa.Boolean, nullable=False),
    Column("told_at", moment(), nullable=False),
    sealed_column("call_back"),
    sealed_column("whereabouts"),
    one_of("place", TELEHEALTH_PLACES),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(rooms.Room, rooms_table, primary_key=[rooms_table.c.room_id])
mapper.map_imperatively(rooms.Closure, closures)
mapper.map_imperatively(clinicians.Absence, absences)
mapper.map_imperatively(telehealth.Visit, telehealth_visits)
sealed(telehealth.Visit, key="seat_id", fields=("call_back", "whereabouts"))


def rooms_of_site(db: Session, *, site_id: str | None) -> list[rooms.Room]:
    """Return the rooms of a site, or of all sites, by label."""
    found = sa.select(rooms.Room).order_by(rooms.Room.label, rooms.Room.room_id)
    if site_id is not None:
        found = found.where(rooms.Room.site_id == site_id)
    return list(db.scalars(found))


def closures_between(
    db: Session, *, site_id: str, since: datetime, until: datetime | None
) -> list[rooms.Closure]:
    """Return the closures of a site that reach into a stretch of time, by their beginning."""
    found = (
        sa.select(rooms.Closure)
        .where(rooms.Closure.site_id == site_id, rooms.Closure.ends_at > since)
        .order_by(rooms.Closure.starts_at, rooms.Closure.closure_id)
    )
    if until is not None:
        found = found.where(rooms.Closure.starts_at < until)
    return list(db.scalars(found))


def absences_of(
    db: Session, *, clinician_ids: Iterable[str], since: datetime
) -> dict[str, list[clinicians.Absence]]:
    """Return the absences of some clinicians that end after a moment, by clinician."""
    found: dict[str, list[clinicians.Absence]] = {one: [] for one in clinician_ids}
    rows = db.scalars(
        sa.select(clinicians.Absence)
        .where(clinicians.Absence.clinician_id.in_(list(found)), clinicians.Absence.ends_at > since)
        .order_by(clinicians.Absence.starts_at, clinicians.Absence.absence_id)
    )
    for absence in rows:
        found[absence.clinician_id].append(absence)
    return found
