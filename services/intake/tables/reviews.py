"""Reviews of the level of care."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, String, Table
from sqlalchemy.orm import Session

from services.intake.domain import reviews
from services.intake.tables.columns import CODE, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

review_rows = Table(
    "level_reviews",
    metadata,
    id_column("review_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("reason", CODE, nullable=False),
    Column("requested_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    Column("outcome", CODE),
    Column("to_level", String(8)),
    Column("closed_at", moment()),
    Column("closed_by", String(64)),
    Column("closed_by_role", String(32)),
    Column("closed_by_credential", String(16)),
    sealed_column("note"),
    Column("revision", Integer, nullable=False, server_default="0"),
    one_of("state", (reviews.OPEN, reviews.CLOSED, reviews.WITHDRAWN)),
    one_of("outcome", codes.REVIEW_OUTCOMES),
    Index("ix_level_reviews_tenant_episode", "tenant_id", "episode_id"),
)

mapper.map_imperatively(reviews.LevelReview, review_rows)

sealed(reviews.LevelReview, key="review_id", fields=("note",))


def lock_review(db: Session, *, review_id: str) -> reviews.LevelReview | None:
    """Return a review, which nobody else changes until the transaction ends."""
    return db.get(reviews.LevelReview, review_id, with_for_update=True)


def reviews_after(
    db: Session, *, only_open: bool, episode_id: str | None, after: str | None, limit: int
) -> list[reviews.LevelReview]:
    """Return reviews by id, from behind *after*."""
    query = sa.select(reviews.LevelReview)
    if only_open:
        query = query.where(review_rows.c.state == reviews.OPEN)
    if episode_id:
        query = query.where(review_rows.c.episode_id == episode_id)
    if after:
        query = query.where(review_rows.c.review_id > after)
    return list(db.scalars(query.order_by(review_rows.c.review_id).limit(limit)))


def open_reviews_of(db: Session, *, episode_id: str) -> list[reviews.LevelReview]:
    """Return the open reviews of an episode, by id."""
    query = sa.select(reviews.LevelReview).where(
        review_rows.c.episode_id == episode_id, review_rows.c.state == reviews.OPEN
    )
    return list(db.scalars(query.order_by(review_rows.c.review_id)))
