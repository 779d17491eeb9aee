"""Standing groups, and the named queries about them."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import groups
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import (
    BLOCK_REASONS,
    CURRICULUM_PACES,
    ENROLMENTS,
    GROUP_END_REASONS,
    GROUP_KINDS,
    MODES,
    TRACKS,
)
from shared.database import (
    id_column,
    moment,
    origin_of,
    reference,
    send_with_next,
    tenant_column,
    written_once,
)

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
    Column("cohort_begins_on", sa.Date),
    Column("mode", sa.String(16), nullable=False, server_default="IN_PERSON"),
    reference("room_id", nullable=True),
    Column("ended_at", moment()),
    Column("end_reason", sa.String(32)),
    Column("block_reason", sa.String(32)),
    Column("block_reason_asked", sa.Boolean, nullable=False, server_default="false"),
    reference("curriculum_id", nullable=True),
    Column("curriculum_since", sa.Date),
    Column("curriculum_first", sa.SmallInteger, nullable=False, server_default="1"),
    Column("curriculum_pace", sa.String(8), nullable=False, server_default="WEEK"),
    Column("told", JSONB, nullable=False, server_default="{}"),
    Column("revision", sa.Integer, nullable=False, server_default="0"),
    one_of("kind", GROUP_KINDS),
    one_of("block_reason", BLOCK_REASONS),
    one_of("track", TRACKS),
    one_of("enrolment", ENROLMENTS),
    one_of("mode", MODES),
    one_of("end_reason", GROUP_END_REASONS),
    one_of("curriculum_pace", CURRICULUM_PACES),
    sa.CheckConstraint(
        f"capacity <= CASE kind WHEN 'EDUCATION' THEN {groups.MOST_IN_EDUCATION}"
        f" ELSE {groups.MOST_IN_GROUP} END",
        name="capacity_of_kind",
    ),
    Index(None, "tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(groups.Group, groups_table, primary_key=[groups_table.c.group_id])


_GROUPS = written_once(sa.select(groups.Group).order_by(groups.Group.opened_at, groups.Group.group_id))
_GROUPS_OF_SITE = written_once(_GROUPS.where(groups.Group.site_id == sa.bindparam("of_site")))


def groups_of_site(db: Session, *, site_id: str | None) -> list[groups.Group]:
    """Return the groups of a site, or of all sites, in the order of their opening; ended ones too."""
    if site_id is None:
        return list(db.scalars(_GROUPS))
    return list(db.scalars(_GROUPS_OF_SITE, {"of_site": site_id}))


_LOCKED_GROUP = written_once(
    sa.select(groups.Group)
    .where(groups.Group.group_id == sa.bindparam("of_group"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


def lock_group(db: Session, *, group_id: str) -> groups.Group | None:
    """Return a group, locked: whoever joins it waits until its enrolment is changed.

    Standing places and seats can be written meanwhile; only the question who may join waits.
    """
    return db.scalar(_LOCKED_GROUP, {"of_group": group_id})


_HOLD_ENROLMENT = """
SELECT FROM groups WHERE tenant_id = %(tenant_id)s AND group_id IN (
    SELECT group_id FROM sessions
    WHERE tenant_id = %(tenant_id)s AND session_id = ANY(%(session_ids)s::uuid[])
) ORDER BY group_id FOR SHARE
"""


def hold_enrolment(db: Session, *, session_ids: Iterable[str]) -> None:
    """Have the next statement keep the enrolment of some sessions' groups until the transaction ends.

    Taken before the sessions are locked, in the order of ids, so that nobody waits in a circle. What is known
    of the groups is read after it.
    """
    held = {"tenant_id": origin_of(db).tenant_id, "session_ids": list(session_ids)}
    send_with_next(db.connection(), _HOLD_ENROLMENT, held)
