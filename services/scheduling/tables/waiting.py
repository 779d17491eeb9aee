"""The waiting lists of sessions, and the named queries about them."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table
from sqlalchemy.orm import Session

from services.scheduling.domain import waiting
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import WAIT_OUTCOMES
from shared.database import id_column, moment, reference, tenant_column, written_once

waits = Table(
    "waits",
    metadata,
    id_column("wait_id"),
    tenant_column(),
    Column("session_id", sa.Uuid(as_uuid=False), ForeignKey("sessions.session_id"), nullable=False),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("joined_at", moment(), nullable=False),
    Column("state", sa.String(16), nullable=False),
    Column("offered_at", moment()),
    Column("expires_at", moment()),
    Column("settled_at", moment()),
    one_of("state", (*waiting.STILL_WAITING, *WAIT_OUTCOMES)),
    Index(
        "uq_waits_patient",
        "tenant_id",
        "session_id",
        "patient_id",
        unique=True,
        postgresql_where=sa.text("state IN ('WAITING', 'OFFERED')"),
    ),
    Index(None, "tenant_id", "episode_id"),
)

mapper.map_imperatively(waiting.Wait, waits)


_WAITS = written_once(
    sa.select(waiting.Wait)
    .where(
        waiting.Wait.session_id.in_(sa.bindparam("of_sessions", expanding=True)),
        waiting.Wait.state.in_(waiting.STILL_WAITING),
    )
    .order_by(waiting.Wait.session_id, waiting.Wait.joined_at, waiting.Wait.wait_id)
)


def waits_for(db: Session, *, session_ids: Iterable[str]) -> dict[str, list[waiting.Wait]]:
    """Return who still waits for some sessions, by session, the first in the row first."""
    found: dict[str, list[waiting.Wait]] = {}
    for wait in db.scalars(_WAITS, {"of_sessions": list(session_ids)}):
        found.setdefault(wait.session_id, []).append(wait)
    return found


def waits_of_episode(db: Session, *, episode_id: str, open_only: bool = False) -> list[waiting.Wait]:
    """Return the entries of an episode on waiting lists, in the order of joining."""
    found = (
        sa.select(waiting.Wait)
        .where(waiting.Wait.episode_id == episode_id)
        .order_by(waiting.Wait.joined_at, waiting.Wait.wait_id)
    )
    if open_only:
        found = found.where(waiting.Wait.state.in_(waiting.STILL_WAITING))
    return list(db.scalars(found))
