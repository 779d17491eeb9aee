"""Levels that reviews come to

Revision: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("level_reviews", sa.Column("to_level", sa.String(length=8), nullable=True))


def downgrade() -> None:
    op.drop_column("level_reviews", "to_level")
