"""What patients said of their sessions."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table
from sqlalchemy.orm import Session

from services.scheduling.domain.feedback import Feedback
from services.scheduling.tables.base import mapper, metadata
from shared.database import moment, reference, sealed, sealed_column, tenant_column

feedback = Table(
    "feedback",
    metadata,
    Column("seat_id", sa.Uuid(as_uuid=False), ForeignKey("seats.seat_id"), primary_key=True),
    tenant_column(),
    reference("session_id"),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("starts_at", moment(), nullable=False),
    Column("rating", sa.SmallInteger, nullable=False),
    Column("given_at", moment(), nullable=False),
    sealed_column("reason"),
    CheckConstraint("rating BETWEEN 0 AND 10", name="rating_range"),
    Index(None, "tenant_id", "episode_id", "starts_at"),
)

mapper.map_imperatively(Feedback, feedback)
sealed(Feedback, key="seat_id", fields=("reason",))


def feedback_before(db: Session, *, episode_id: str, starts_at: datetime) -> Feedback | None:
    """Return the last rating of an episode's sessions that started before a moment."""
    return db.scalar(
        sa.select(Feedback)
        .where(Feedback.episode_id == episode_id, Feedback.starts_at < starts_at)
        .order_by(Feedback.starts_at.desc(), Feedback.seat_id)
        .limit(1)
    )


def feedback_of_episode(
    db: Session, *, episode_id: str, after: tuple[datetime, str] | None, at_most: int
) -> list[Feedback]:
    """Return the ratings of an episode by session and seat."""
    found = (
        sa.select(Feedback)
        .where(Feedback.episode_id == episode_id)
        .order_by(Feedback.starts_at, Feedback.seat_id)
        .limit(at_most)
    )
    if after is not None:
        found = found.where(sa.tuple_(Feedback.starts_at, Feedback.seat_id) > sa.tuple_(*after))
    return list(db.scalars(found))
