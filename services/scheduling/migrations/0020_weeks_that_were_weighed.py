"""Weeks that were weighed

Revision: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('weighed_weeks',
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('week_starts_on', sa.Date(), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('floor_minutes', sa.Integer(), nullable=False),
    sa.Column('closed', sa.Boolean(), nullable=False),
    sa.Column('attended_minutes', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('short_weeks_before', sa.Integer(), nullable=False),
    sa.Column('told', sa.Boolean(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.CheckConstraint("outcome IN ('REACHED', 'SHORT', 'NOT_JUDGED')", name=op.f('ck_weighed_weeks_outcome_code')),
    sa.PrimaryKeyConstraint('episode_id', 'week_starts_on', name=op.f('pk_weighed_weeks'))
    )


def downgrade() -> None:
    op.drop_table('weighed_weeks')
