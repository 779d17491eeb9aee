"""The catalogue of curricula, and the named queries about what was taught to whom."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, curricula
from services.scheduling.tables.base import mapper, metadata
from shared.database import id_column, moment, reference, tenant_column, written_once

curricula_table = Table(
    "curricula",
    metadata,
    id_column("curriculum_id"),
    # Callers choose the ids, so two tenants may have the same.
    tenant_column(primary_key=True),
    reference("site_id"),
    Column("title", sa.String(120), nullable=False),
    Column("modality", sa.String(32), nullable=False),
    Column("taught", JSONB, nullable=False),
    Column("adopted_at", moment(), nullable=False),
    Column("adopted_by", sa.String(64), nullable=False),
    Column("manual", sa.String(32)),
    Column("manual_version", sa.SmallInteger),
    Index(None, "tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(curricula.Curriculum, curricula_table, primary_key=[curricula_table.c.curriculum_id])


def curricula_of_site(db: Session, *, site_id: str | None) -> list[curricula.Curriculum]:
    """Return the catalogue of a site, or of all sites, in the order of adoption."""
    found = sa.select(curricula.Curriculum).order_by(
        curricula.Curriculum.adopted_at, curricula.Curriculum.curriculum_id
    )
    if site_id is not None:
        found = found.where(curricula.Curriculum.site_id == site_id)
    return list(db.scalars(found))


_CURRICULA = written_once(
    sa.select(curricula.Curriculum).where(
        curricula.Curriculum.curriculum_id.in_(sa.bindparam("of_curricula", expanding=True))
    )
)


def curricula_by_id(db: Session, *, ids: Iterable[str | None]) -> dict[str, curricula.Curriculum]:
    """Return some curricula by their ids; no query where no id is given."""
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    rows = db.scalars(_CURRICULA, {"of_curricula": sorted(wanted)})
    return {one.curriculum_id: one for one in rows}


def lock_coming_sessions(db: Session, *, group_id: str, after: datetime) -> list[attendance.Session]:
    """Return the planned sessions of a group that start after a moment, locked, by their ids."""
    return list(
        db.scalars(
            sa.select(attendance.Session)
            .where(
                attendance.Session.group_id == group_id,
                attendance.Session.state == "PLANNED",
                attendance.Session.starts_at > after,
            )
            .order_by(attendance.Session.session_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


_TAUGHT = written_once(
    sa.select(attendance.Seat, attendance.Session)
    .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
    .where(
        attendance.Seat.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        attendance.Session.curriculum_id.is_not(None),
    )
    .order_by(attendance.Seat.starts_at, attendance.Seat.seat_id)
)


def taught_to(
    db: Session, *, episode_ids: Iterable[str]
) -> dict[str, list[tuple[attendance.Seat, attendance.Session]]]:
    """Return the seats of some episodes in sessions that follow a curriculum, by episode and start."""
    found: dict[str, list[tuple[attendance.Seat, attendance.Session]]] = {one: [] for one in episode_ids}
    for seat, session in db.execute(_TAUGHT, {"of_episodes": list(found)}):
        found[seat.episode_id].append((seat, session))
    return found
