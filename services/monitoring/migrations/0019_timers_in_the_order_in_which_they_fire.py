"""Timers in the order in which they fire

Revision: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_timers_in_turn",
        "timers",
        ["due_at", "name", "key"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_timers_due", table_name="timers")


def downgrade() -> None:
    op.create_index("ix_timers_due", "timers", ["due_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("ix_timers_in_turn", table_name="timers")
