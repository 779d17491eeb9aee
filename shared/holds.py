"""Legal holds: about whom nothing may be forgotten, because a court or somebody else has asked for records.

Intake decides; every service keeps a copy and forgets nothing about those people, however old it is.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from shared.database import moment, origin_of, plumbing, tenant_column

legal_holds = sa.Table(
    "legal_holds",
    plumbing,
    sa.Column("hold_id", sa.Uuid(as_uuid=False), primary_key=True),
    tenant_column(),
    sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
    #: Empty while only the release has come.
    sa.Column("placed_at", moment()),
    sa.Column("released_at", moment()),
    sa.Index("ix_legal_holds_on", "patient_id", postgresql_where=sa.text("released_at IS NULL")),
)

#: SQL that is true of a row whose patient is under a hold; the row has a patient_id.
IS_ON_HOLD = """EXISTS (SELECT 1 FROM legal_holds WHERE legal_holds.tenant_id = {table}.tenant_id
    AND legal_holds.patient_id = {table}.patient_id AND legal_holds.released_at IS NULL)"""


def keep_hold(db: Session, *, hold_id: str, patient_id: str, placed_at: datetime) -> None:
    """Keep that a hold is on; a release that came before it stays."""
    _keep(db, hold_id=hold_id, patient_id=patient_id, told={"placed_at": placed_at})


def keep_release(db: Session, *, hold_id: str, patient_id: str, released_at: datetime) -> None:
    """Keep that a hold is off, also when the hold itself is not known yet."""
    _keep(db, hold_id=hold_id, patient_id=patient_id, told={"released_at": released_at})


def _keep(db: Session, *, hold_id: str, patient_id: str, told: dict[str, datetime]) -> None:
    insert = postgresql.insert(legal_holds).values(
        hold_id=hold_id, tenant_id=origin_of(db).tenant_id, patient_id=patient_id, **told
    )
    db.connection().execute(
        insert.on_conflict_do_update(
            index_elements=["hold_id"],
            set_=told,
            where=legal_holds.c.tenant_id == insert.excluded.tenant_id,
        )
    )
