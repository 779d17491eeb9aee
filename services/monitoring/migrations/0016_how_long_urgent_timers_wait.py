"""How long urgent timers wait

Revision: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("timers", sa.Column("waits", sa.Interval(), nullable=True))
    op.add_column("timers", sa.Column("latest_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_timers_latest", "timers", ["latest_at"], postgresql_where=sa.text("latest_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_timers_latest", table_name="timers")
    op.drop_column("timers", "latest_at")
    op.drop_column("timers", "waits")
