"""Safety questions left out, and the number to call of a site

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sites", sa.Column("emergency_line", sa.String(length=64), nullable=True))
    op.add_column("episodes", sa.Column("site_id", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("episodes", sa.Column("skips_task_id", sa.Uuid(as_uuid=False), nullable=True))
    op.alter_column("check_ins", "danger", existing_type=sa.Boolean(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE check_ins SET danger = false WHERE danger IS NULL")
    op.alter_column("check_ins", "danger", existing_type=sa.Boolean(), nullable=False)
    op.drop_column("episodes", "skips_task_id")
    op.drop_column("episodes", "site_id")
    op.drop_column("sites", "emergency_line")
