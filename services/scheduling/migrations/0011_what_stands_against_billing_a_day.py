"""What stands against billing a day that was attended

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
    op.add_column('service_days', sa.Column('attended_minutes', sa.Integer(), server_default='0', nullable=False))
    op.add_column('service_days', sa.Column('gaps', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('service_days', 'gaps')
    op.drop_column('service_days', 'attended_minutes')
