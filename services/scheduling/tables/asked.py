"""What people were asked to do and close by hand."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.orm import Session

from services.scheduling.domain.asked import Asked
from services.scheduling.tables.base import mapper, metadata
from shared.database import id_column, moment, reference, tenant_column, written_once

asked = Table(
    "asked",
    metadata,
    id_column("task_id"),
    tenant_column(),
    Column("task", sa.String(32), nullable=False),
    reference("about_id"),
    reference("patient_id", nullable=True),
    reference("episode_id", nullable=True),
    reference("journey_id", nullable=True),
    Column("closed_at", moment()),
    Index("ix_asked_open", "tenant_id", "about_id", postgresql_where=sa.text("closed_at IS NULL")),
    info={"withheld": "the program's own work list"},
)

mapper.map_imperatively(Asked, asked)


def find_asked(db: Session, *, task_id: str) -> Asked | None:
    """Return what was asked under an id, locked, if anything was."""
    return db.scalar(sa.select(Asked).where(Asked.task_id == task_id).with_for_update())


_ASKED_ABOUT = written_once(
    sa.select(Asked)
    .where(
        Asked.task == sa.bindparam("of_task"),
        Asked.about_id.in_(sa.bindparam("of_things", expanding=True)),
        Asked.closed_at.is_(None),
    )
    .order_by(Asked.task_id)
    .with_for_update()
)


def asked_about(db: Session, *, task: str, about_ids: Collection[str]) -> list[Asked]:
    """Return what is asked about some things by the name of the task and is still open, locked."""
    if not about_ids:
        return []
    return list(db.scalars(_ASKED_ABOUT, {"of_task": task, "of_things": sorted(about_ids)}))
