"""Supporters and what helps

Revision: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('supporters',
    sa.Column('supporter_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('lives_with_patient', sa.Boolean(), nullable=False),
    sa.Column('reached_by', sa.String(length=40), nullable=False),
    sa.Column('name_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('phone_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('email_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('consent_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('added_by', sa.String(length=64), nullable=False),
    sa.Column('added_by_role', sa.String(length=32), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('ended_by_role', sa.String(length=32), nullable=True),
    sa.CheckConstraint("reached_by IN ('PHONE', 'TEXT', 'EMAIL', 'IN_PERSON')", name=op.f('ck_supporters_reached_by')),
    sa.CheckConstraint("role IN ('PARTNER', 'PARENT', 'CHILD', 'SIBLING', 'RELATIVE', 'FRIEND', 'HOUSEMATE', 'SPONSOR', 'CLERGY', 'EMPLOYER', 'OTHER')", name=op.f('ck_supporters_role')),
    sa.ForeignKeyConstraint(['consent_id'], ['consents.consent_id'], name=op.f('fk_supporters_consent_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_supporters_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('supporter_id', name=op.f('pk_supporters'))
    )
    op.create_index('ix_supporters_tenant_patient', 'supporters', ['tenant_id', 'patient_id'], unique=False)
    op.create_table('support_networks',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('supporters', sa.Integer(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('told_by', sa.String(length=64), nullable=False),
    sa.Column('told_by_role', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_support_networks_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'patient_id', name=op.f('pk_support_networks'))
    )
    op.create_table('trigger_inventories',
    sa.Column('inventory_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('triggers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_by', sa.String(length=64), nullable=False),
    sa.Column('recorded_by_role', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_trigger_inventories_episode_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_trigger_inventories_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('inventory_id', name=op.f('pk_trigger_inventories'))
    )
    op.create_index('ix_trigger_inventories_tenant_episode', 'trigger_inventories', ['tenant_id', 'episode_id'], unique=False)
    op.add_column('assessments', sa.Column('conditions', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('assessments', 'conditions')
    op.drop_index('ix_trigger_inventories_tenant_episode', table_name='trigger_inventories')
    op.drop_table('trigger_inventories')
    op.drop_table('support_networks')
    op.drop_index('ix_supporters_tenant_patient', table_name='supporters')
    op.drop_table('supporters')
