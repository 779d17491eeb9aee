"""Cohorts that nobody joins after they began, and why an episode ended

Revision: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('groups', sa.Column('cohort_begins_on', sa.Date(), nullable=True))
    op.add_column('episodes', sa.Column('discharge_reason', sa.String(length=8), nullable=True))


def downgrade() -> None:
    op.drop_column('episodes', 'discharge_reason')
    op.drop_column('groups', 'cohort_begins_on')
