"""Patients who came and were not seen

Revision: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "comings",
        sa.Column("coming_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("episode_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("came_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("coming_id", name=op.f("pk_comings")),
    )
    op.create_index("ix_comings_episode", "comings", ["tenant_id", "episode_id", "came_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_comings_episode", table_name="comings")
    op.drop_table("comings")
