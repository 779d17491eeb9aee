"""Secret addresses of calendars

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('calendar_addresses',
    sa.Column('calendar_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('owner_role', sa.String(length=32), nullable=False),
    sa.Column('owner_id', sa.String(length=64), nullable=False),
    sa.Column('opened_by', sa.String(length=64), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('calendar_id', name=op.f('pk_calendar_addresses')),
    sa.UniqueConstraint('digest', name=op.f('uq_calendar_addresses_digest'))
    )
    op.create_index('ix_calendar_addresses_owner', 'calendar_addresses', ['tenant_id', 'owner_id', 'opened_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_calendar_addresses_owner', table_name='calendar_addresses')
    op.drop_table('calendar_addresses')
