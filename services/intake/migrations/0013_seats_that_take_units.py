"""Seats that take units of an authorisation beforehand

Revision: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('scheduled_seats',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'seat_id', name=op.f('pk_scheduled_seats'))
    )
    op.create_index('ix_scheduled_seats_episode', 'scheduled_seats', ['tenant_id', 'episode_id', 'day'], unique=False)


def downgrade() -> None:
    op.drop_table('scheduled_seats')
