"""Standing groups, and the named queries about them."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import groups
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import ENROLMENTS, GROUP_END_REASONS, GROUP_KINDS, MODES, TRACKS
from shared.database import id_column, moment, reference, tenant_column

groups_table = Table(
    "groups",
    metadata,
    id_column("group_id"),
    tenant_column(primary_key=True),
    reference("site_id"),
    Column("kind", sa.String(16), nullable=False),
    Column("modality", sa.String(32), nullable=False),
    Column("track", sa.String(16), nullable=False),
    Column("weekdays", JSONB, nullable=False),
    Column("starts", sa.Time, nullable=False),
    Column("ends", sa.Time, nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("capacity", sa.Integer, nullable=False),
    reference("facilitator_id"),
    Column("opened_at", moment(), nullable=False),
    Column("enrolment", sa.String(8), nullable=False, server_default="OPEN"),
    Column("mode", sa.String(16), nullable=False, server_default="IN_PERSON"),
    reference("room_id", nullable=True),
    Column("ended_at", moment()),
    Column("end_reason", sa.String(32)),
    Column("told", JSONB, nullable=False, server_default="{}"),
    Column("revision", sa.Integer, nullable=False, server_default="0"),
    one_of("kind", GROUP_KINDS),
    one_of("track", TRACKS),
    one_of("enrolment", ENROLMENTS),
    one_of("mode", MODES),
    one_of("end_reason", GROUP_END_REASONS),
    sa.CheckConstraint(
        f"capacity <= CASE kind WHEN 'EDUCATION' THEN {groups.MOST_IN_EDUCATION}"
        f" ELSE {groups.MOST_IN_GROUP} END",
        name="capacity_of_kind",
    ),
    Index(None, "tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(groups.Group, groups_table, primary_key=[groups_table.c.group_id])


def groups_of_site(db: Session, *, site_id: str | None) -> list[groups.Group]:
    """Return the groups of a site, or of all sites, in the order of their opening; ended ones too."""
    found = sa.select(groups.Group).order_by(groups.Group.opened_at, groups.Group.group_id)
    if site_id is not None:
        found = found.where(groups.Group.site_id == site_id)
    return list(db.scalars(found))
