"""Families that are seen alone

Revision: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('seats', sa.Column('family_minutes', sa.Integer(), nullable=True))
    op.add_column('service_days', sa.Column('family_forms', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('service_days', sa.Column('family_alone_minutes', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('service_days', 'family_alone_minutes')
    op.drop_column('service_days', 'family_forms')
    op.drop_column('seats', 'family_minutes')
