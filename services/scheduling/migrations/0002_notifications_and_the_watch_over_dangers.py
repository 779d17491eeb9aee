"""Notifications and the watch over dangers

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('message_stops',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('address_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'address_digest', name=op.f('pk_message_stops'))
    )
    op.create_table('notifications',
    sa.Column('notification_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('template', sa.String(length=64), nullable=False),
    sa.Column('codes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('about_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('urgent', sa.Boolean(), nullable=False),
    sa.Column('time_zone', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=16), nullable=False),
    sa.Column('address_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('give_up_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('error', sa.String(length=200), nullable=True),
    sa.Column('correlation_id', sa.String(length=64), nullable=False),
    sa.Column('causation_id', sa.String(length=64), nullable=True),
    sa.Column('traceparent', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('notification_id', name=op.f('pk_notifications'))
    )
    op.create_index('ix_notifications_waiting', 'notifications', ['next_attempt_at'], unique=False, postgresql_where=sa.text("state = 'waiting'"))
    op.create_table('safety_watch',
    sa.Column('concern_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('level', sa.String(length=2), nullable=False),
    sa.Column('announced_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('page_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('correlation_id', sa.String(length=64), nullable=False),
    sa.Column('causation_id', sa.String(length=64), nullable=True),
    sa.Column('traceparent', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('concern_id', name=op.f('pk_safety_watch'))
    )
    op.create_index('ix_safety_watch_unconfirmed', 'safety_watch', ['page_at'], unique=False, postgresql_where=sa.text("state <> 'confirmed'"))


def downgrade() -> None:
    op.drop_index('ix_safety_watch_unconfirmed', table_name='safety_watch', postgresql_where=sa.text("state <> 'confirmed'"))
    op.drop_table('safety_watch')
    op.drop_index('ix_notifications_waiting', table_name='notifications', postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table('notifications')
    op.drop_table('message_stops')
