"""Days that were attended, and what stands against billing them

Revision: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('attended_days',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('delivery_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('served_on', sa.Date(), nullable=False),
    sa.Column('minutes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('attended_minutes', sa.Integer(), nullable=False),
    sa.Column('gaps', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'delivery_id', name=op.f('pk_attended_days'))
    )
    op.create_index('ix_attended_days_site', 'attended_days', ['tenant_id', 'site_id', 'served_on'], unique=False)
    op.create_index('ix_attended_days_episode', 'attended_days', ['tenant_id', 'episode_id'], unique=False)


def downgrade() -> None:
    op.drop_table('attended_days')
