"""Who comes to family sessions

Revision: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('patients', sa.Column('supporters', sa.Integer(), nullable=True))
    op.add_column('patients', sa.Column('supporters_told_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('patients', sa.Column('family_consents', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False))


def downgrade() -> None:
    op.drop_column('patients', 'family_consents')
    op.drop_column('patients', 'supporters_told_at')
    op.drop_column('patients', 'supporters')
