"""Calls that check-ins ask for

Revision: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('check_ins', sa.Column('call_settled_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('check_ins', 'call_settled_at')
