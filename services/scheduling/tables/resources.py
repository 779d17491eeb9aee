"""Rooms, closures, absences and telehealth visits, and the named queries about them."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Table
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Session

from services.scheduling.domain import clinicians, rooms, telehealth
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import (
    ABSENCE_REASONS,
    CANCELLATION_REASONS,
    NOT_SEEN_REASONS,
    TELEHEALTH_PLACES,
)
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column, written_once

#: One number for a room of a tenant.
_ROOM = "hashtextextended(tenant_id || room_id::text, 0)"

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

room_hours = Table(
    "room_hours",
    metadata,
    Column("group_id", sa.Uuid(as_uuid=False), primary_key=True),
    Column("weekday", sa.SmallInteger, primary_key=True),
    tenant_column(primary_key=True),
    reference("room_id"),
    ForeignKeyConstraint(["tenant_id", "group_id"], ["groups.tenant_id", "groups.group_id"]),
    ForeignKeyConstraint(["tenant_id", "room_id"], ["rooms.tenant_id", "rooms.room_id"]),
    Column("begins", sa.Integer, nullable=False),
    Column("ends", sa.Integer, nullable=False),
    sa.CheckConstraint("begins < ends", name="begins_before_end"),
    ExcludeConstraint(
        # The room's hash with its tenant's stands for the room: callers choose ids of rooms.
        (sa.text("int8range(" + ", ".join([_ROOM] * 2) + ", '[]')"), "&&"),
        (sa.text("int4range(begins, ends)"), "&&"),
        name="ex_room_hours_room",
        using="gist",
    ),
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

unseen_arrivals = Table(
    "unseen_arrivals",
    metadata,
    id_column("arrival_id"),
    tenant_column(),
    Column("seat_id", sa.Uuid(as_uuid=False), ForeignKey("seats.seat_id"), nullable=False),
    reference("session_id"),
    reference("clinician_id"),
    Column("state", sa.String(2)),
    Column("place", sa.String(16)),
    Column("reason", sa.String(32), nullable=False),
    Column("came_at", moment(), nullable=False),
    Column("told_by", sa.String(64), nullable=False),
    Column("told_by_role", sa.String(32), nullable=False),
    reference("task_id"),
    Column("call_due_at", moment(), nullable=False),
    sealed_column("call_back"),
    sealed_column("whereabouts"),
    one_of("place", TELEHEALTH_PLACES),
    one_of("reason", NOT_SEEN_REASONS),
    Index(None, "seat_id", "came_at"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(rooms.Room, rooms_table, primary_key=[rooms_table.c.room_id])
mapper.map_imperatively(rooms.RoomHour, room_hours, primary_key=[room_hours.c.group_id, room_hours.c.weekday])
mapper.map_imperatively(rooms.Closure, closures)
mapper.map_imperatively(clinicians.Absence, absences)
mapper.map_imperatively(telehealth.Visit, telehealth_visits)
sealed(telehealth.Visit, key="seat_id", fields=("call_back", "whereabouts"))
mapper.map_imperatively(telehealth.UnseenArrival, unseen_arrivals)
sealed(telehealth.UnseenArrival, key="arrival_id", fields=("call_back", "whereabouts"))


def unseen_arrivals_at(db: Session, *, seat_id: str) -> list[telehealth.UnseenArrival]:
    """Return the times at which the patient of a seat came and could not be seen, the first first."""
    return list(
        db.scalars(
            sa.select(telehealth.UnseenArrival)
            .where(telehealth.UnseenArrival.seat_id == seat_id)
            .order_by(telehealth.UnseenArrival.came_at, telehealth.UnseenArrival.arrival_id)
        )
    )


def rooms_of_site(db: Session, *, site_id: str | None) -> list[rooms.Room]:
    """Return the rooms of a site, or of all sites, by label."""
    found = sa.select(rooms.Room).order_by(rooms.Room.label, rooms.Room.room_id)
    if site_id is not None:
        found = found.where(rooms.Room.site_id == site_id)
    return list(db.scalars(found))


def room_hours_of(db: Session, *, room_id: str) -> list[rooms.RoomHour]:
    """Return when a room belongs to standing groups."""
    return list(
        db.scalars(
            sa.select(rooms.RoomHour)
            .where(rooms.RoomHour.room_id == room_id)
            .order_by(rooms.RoomHour.begins, rooms.RoomHour.group_id)
        )
    )


def leave_room(db: Session, *, group_id: str) -> None:
    """Give back the room of a standing group, if it has one."""
    db.execute(sa.delete(rooms.RoomHour).where(rooms.RoomHour.group_id == group_id))


#: After all that Homeward knows of.
_NEVER_OVER = datetime.max.replace(tzinfo=UTC)
_CLOSURES = written_once(
    sa.select(rooms.Closure)
    .where(
        rooms.Closure.site_id == sa.bindparam("of_site"),
        rooms.Closure.ends_at > sa.bindparam("since"),
        rooms.Closure.starts_at < sa.bindparam("until"),
    )
    .order_by(rooms.Closure.starts_at, rooms.Closure.closure_id)
)
_ABSENCES = written_once(
    sa.select(clinicians.Absence)
    .where(
        clinicians.Absence.clinician_id.in_(sa.bindparam("of_clinicians", expanding=True)),
        clinicians.Absence.ends_at > sa.bindparam("since"),
    )
    .order_by(clinicians.Absence.starts_at, clinicians.Absence.absence_id)
)


def closures_between(
    db: Session, *, site_id: str, since: datetime, until: datetime | None
) -> list[rooms.Closure]:
    """Return the closures of a site that reach into a stretch of time, by their beginning."""
    stretch = {"of_site": site_id, "since": since, "until": until or _NEVER_OVER}
    return list(db.scalars(_CLOSURES, stretch))


def absences_of(
    db: Session, *, clinician_ids: Iterable[str], since: datetime
) -> dict[str, list[clinicians.Absence]]:
    """Return the absences of some clinicians that end after a moment, by clinician."""
    found: dict[str, list[clinicians.Absence]] = {one: [] for one in clinician_ids}
    for absence in db.scalars(_ABSENCES, {"of_clinicians": list(found), "since": since}):
        found[absence.clinician_id].append(absence)
    return found
