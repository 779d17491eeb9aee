"""Hours alone that are met from afar

Revision: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('weekly_plans', sa.Column('individual_mode', sa.String(length=16), server_default='IN_PERSON', nullable=False))
    op.create_check_constraint(op.f('ck_weekly_plans_individual_mode_code'), 'weekly_plans', "individual_mode IN ('IN_PERSON', 'VIDEO', 'AUDIO')")


def downgrade() -> None:
    op.drop_constraint(op.f('ck_weekly_plans_individual_mode_code'), 'weekly_plans', type_='check')
    op.drop_column('weekly_plans', 'individual_mode')
