"""Referrals under partners' own ids, and step-downs from inpatient care

Revision: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('partner_referrals',
    sa.Column('partner_referral_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('partner', sa.String(length=64), nullable=False),
    sa.Column('external_index', sa.LargeBinary(length=32), nullable=False),
    sa.Column('identity_index', sa.LargeBinary(length=32), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('referral_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('external_id_sealed', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_partner_referrals_episode_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_partner_referrals_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('partner_referral_id', name=op.f('pk_partner_referrals')),
    sa.UniqueConstraint('tenant_id', 'external_index', name=op.f('uq_partner_referrals_tenant_id_external_index'))
    )
    op.create_table('step_downs',
    sa.Column('step_down_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('prior_level', sa.String(length=40), nullable=False),
    sa.Column('discharged_on', sa.Date(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('contact_due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('service_due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('contacted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('breached_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('served_days', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('summary_due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('summary_received_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('medications_reconciled', sa.Boolean(), nullable=False),
    sa.Column('earlier_plan', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('words_sealed', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_step_downs_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('step_down_id', name=op.f('pk_step_downs'))
    )
    op.create_index('ix_step_downs_tenant_episode', 'step_downs', ['tenant_id', 'episode_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_step_downs_tenant_episode', table_name='step_downs')
    op.drop_table('step_downs')
    op.drop_table('partner_referrals')
