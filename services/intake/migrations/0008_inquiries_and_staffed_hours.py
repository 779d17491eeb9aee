"""Inquiries, and when somebody is at a site

Revision: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('inquiries',
    sa.Column('inquiry_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('status_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('voicemail_safe', sa.Boolean(), nullable=False),
    sa.Column('self_check', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('call_back_due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('calls', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('pre_screen', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('pre_screened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('recommendation', sa.String(length=40), nullable=True),
    sa.Column('reasons', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('rule_version', sa.String(length=40), nullable=True),
    sa.Column('decision', sa.String(length=40), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('decided_by_role', sa.String(length=32), nullable=True),
    sa.Column('decided_by_credential', sa.String(length=16), nullable=True),
    sa.Column('referral_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('in_danger', sa.Boolean(), nullable=False),
    sa.Column('given_name_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('phone_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('email_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('words_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('why_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("decision IN ('ASSESSMENT_HERE', 'OTHER_LEVEL', 'CLINICIAN_FIRST', 'MEDICAL_EVALUATION_FIRST', 'EMERGENCY_NOW', 'NOT_WANTED', 'NOT_REACHED')", name=op.f('ck_inquiries_decision')),
    sa.CheckConstraint("recommendation IN ('ASSESSMENT_HERE', 'OTHER_LEVEL', 'CLINICIAN_FIRST', 'MEDICAL_EVALUATION_FIRST', 'EMERGENCY_NOW')", name=op.f('ck_inquiries_recommendation')),
    sa.CheckConstraint("state IN ('OPEN', 'DECIDED', 'REFERRED')", name=op.f('ck_inquiries_state')),
    sa.PrimaryKeyConstraint('inquiry_id', name=op.f('pk_inquiries')),
    sa.UniqueConstraint('tenant_id', 'status_digest', name=op.f('uq_inquiries_tenant_id_status_digest'))
    )
    op.create_index('ix_inquiries_tenant_state', 'inquiries', ['tenant_id', 'state', 'inquiry_id'], unique=False)
    op.add_column('sites', sa.Column('staffed_hours', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('sites', 'staffed_hours')
    op.drop_index('ix_inquiries_tenant_state', table_name='inquiries')
    op.drop_table('inquiries')
