"""Who took an escalation

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
    op.create_table('acknowledgements',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('escalation_id', sa.String(length=64), nullable=False),
    sa.Column('told_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('acknowledged_by', sa.String(length=64), nullable=True),
    sa.Column('acknowledged_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'escalation_id', name=op.f('pk_acknowledgements'))
    )


def downgrade() -> None:
    op.drop_table('acknowledgements')
