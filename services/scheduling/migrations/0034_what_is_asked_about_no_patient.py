"""What is asked about no patient

Revision: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_WHOSE = ("patient_id", "episode_id", "journey_id")


def upgrade() -> None:
    for column in _WHOSE:
        op.alter_column("asked", column, nullable=True)
    op.create_index(
        "ix_asked_open", "asked", ["tenant_id", "about_id"], postgresql_where=sa.text("closed_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_asked_open", table_name="asked", postgresql_where=sa.text("closed_at IS NULL"))
    op.execute("DELETE FROM asked WHERE patient_id IS NULL")
    for column in _WHOSE:
        op.alter_column("asked", column, nullable=False)
