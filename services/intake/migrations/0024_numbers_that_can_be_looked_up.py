"""Numbers that can be looked up

Revision: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The rows that are there are sealed for their place: the first look-ups give them their digest, and
    # what a copy of the version before goes on to write.
    op.add_column('contact_points', sa.Column('address_index', sa.LargeBinary(length=32), nullable=True))
    op.create_index('ix_contact_points_tenant_address', 'contact_points', ['tenant_id', 'address_index'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_contact_points_tenant_address', table_name='contact_points')
    op.drop_column('contact_points', 'address_index')
