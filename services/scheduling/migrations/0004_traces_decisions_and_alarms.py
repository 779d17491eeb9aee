"""Traces, decisions and alarms

Revision: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('backlog_alarms',
    sa.Column('backlog', sa.String(length=16), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('backlog', name=op.f('pk_backlog_alarms'))
    )
    op.create_table('resolutions',
    sa.Column('resolution_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('item_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('how', sa.String(length=16), nullable=False),
    sa.Column('who', sa.String(length=64), nullable=False),
    sa.Column('why', sa.String(length=200), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('resolution_id', name=op.f('pk_resolutions'))
    )
    op.create_index('ix_resolutions_item', 'resolutions', ['item_id'], unique=False)
    op.create_index('ix_audit_cause', 'audit', ['cause_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_audit_cause', table_name='audit')
    op.drop_index('ix_resolutions_item', table_name='resolutions')
    op.drop_table('resolutions')
    op.drop_table('backlog_alarms')
