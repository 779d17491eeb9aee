"""What every service keeps of its notifications: addresses sealed, texts never."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from shared.database import moment, plumbing, tenant_column

notifications = sa.Table(
    "notifications",
    plumbing,
    sa.Column("notification_id", sa.Uuid(as_uuid=False), primary_key=True),
    tenant_column(),
    #: Which text of the allow-list, and the codes that it is filled with, its language among them.
    sa.Column("template", sa.String(64), nullable=False),
    sa.Column("codes", postgresql.JSONB, nullable=False),
    sa.Column("about_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.Uuid(as_uuid=False)),
    #: Whether quiet hours do not delay it.
    sa.Column("urgent", sa.Boolean, nullable=False),
    #: Where its reader lives: quiet hours are of that place.
    sa.Column("time_zone", sa.String(64), nullable=False),
    #: "EMAIL" or "WEBHOOK".
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("address_sealed", sa.LargeBinary, nullable=False),
    #: "waiting", "sent", "failed", "suppressed" or "simulated".
    sa.Column("state", sa.String(16), nullable=False),
    #: Real time, as everything about sending: when it was asked for, is tried next, and is given up.
    sa.Column("created_at", moment(), nullable=False),
    sa.Column("next_attempt_at", moment()),
    sa.Column("give_up_at", moment(), nullable=False),
    sa.Column("settled_at", moment()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    #: Kind of the last failure; never its text, which could quote an address.
    sa.Column("error", sa.String(200)),
    #: What it came of, so that its outcome stands in the same causal tree.
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("causation_id", sa.String(64)),
    sa.Column("traceparent", sa.String(64)),
    sa.Index("ix_notifications_waiting", "next_attempt_at", postgresql_where=sa.text("state = 'waiting'")),
)

#: Addresses that want nothing more: found by their blind index alone.
message_stops = sa.Table(
    "message_stops",
    plumbing,
    tenant_column(primary_key=True),
    sa.Column("address_digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("stopped_at", moment(), nullable=False),
)
