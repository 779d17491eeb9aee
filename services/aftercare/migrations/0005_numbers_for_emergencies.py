"""Numbers for emergencies

Revision: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sites',
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('emergency_line', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('site_id', 'tenant_id', name=op.f('pk_sites'))
    )


def downgrade() -> None:
    op.drop_table('sites')
