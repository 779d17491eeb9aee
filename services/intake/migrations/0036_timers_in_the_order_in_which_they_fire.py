"""Timers in the order in which they fire

Revision: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
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
