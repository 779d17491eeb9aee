"""The watch over dangers: nobody waits because monitoring, or the broker, is away."""

import sqlalchemy as sa

from shared.database import moment, plumbing, tenant_column

#: Dangers that this service announced and monitoring has yet to confirm.
safety_watch = sa.Table(
    "safety_watch",
    plumbing,
    sa.Column("concern_id", sa.Uuid(as_uuid=False), primary_key=True),
    tenant_column(),
    sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("level", sa.String(2), nullable=False),
    #: Real time: when it was announced, and when this service pages by its own path, or again.
    sa.Column("announced_at", moment(), nullable=False),
    sa.Column("page_at", moment(), nullable=False),
    #: "waiting", "paged" or "confirmed".
    sa.Column("state", sa.String(16), nullable=False),
    #: When it was paged last, or confirmed.
    sa.Column("settled_at", moment()),
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("causation_id", sa.String(64)),
    sa.Column("traceparent", sa.String(64)),
    sa.Index("ix_safety_watch_unconfirmed", "page_at", postgresql_where=sa.text("state <> 'confirmed'")),
)
