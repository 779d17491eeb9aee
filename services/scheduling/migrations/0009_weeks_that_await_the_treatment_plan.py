"""Weeks that await the treatment plan

Revision: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.add_column('weekly_plans', sa.Column('awaits_treatment_plan', sa.Boolean(), server_default=sa.text('false'), nullable=False))


def downgrade() -> None:
    op.drop_column('weekly_plans', 'awaits_treatment_plan')
