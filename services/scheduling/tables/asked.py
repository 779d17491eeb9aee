"""What people were asked to do about a patient and close by hand."""

import sqlalchemy as sa
from sqlalchemy import Column, Table
from sqlalchemy.orm import Session

from services.scheduling.domain.asked import Asked
from services.scheduling.tables.base import mapper, metadata
from shared.database import id_column, moment, reference, tenant_column

asked = Table(
    "asked",
    metadata,
    id_column("task_id"),
    tenant_column(),
    Column("task", sa.String(32), nullable=False),
    reference("about_id"),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("closed_at", moment()),
    info={"withheld": "the program's own work list"},
)

mapper.map_imperatively(Asked, asked)


def find_asked(db: Session, *, task_id: str) -> Asked | None:
    """Return what was asked under an id, locked, if anything was."""
    return db.scalar(sa.select(Asked).where(Asked.task_id == task_id).with_for_update())
