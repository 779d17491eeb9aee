"""Notices and restrictions

Revision: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('privacy_notices',
    sa.Column('notice_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('edition', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('effective_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('published_by', sa.String(length=64), nullable=False),
    sa.Column('published_by_role', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('notice_id', name=op.f('pk_privacy_notices')),
    sa.UniqueConstraint('tenant_id', 'edition', name=op.f('uq_privacy_notices_tenant_id_text_id'))
    )
    op.create_table('notice_receipts',
    sa.Column('receipt_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('notice_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('acknowledgement', sa.String(length=40), nullable=False),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('given_by', sa.String(length=64), nullable=False),
    sa.Column('given_by_role', sa.String(length=32), nullable=False),
    sa.CheckConstraint("acknowledgement IN ('SIGNED', 'REFUSED_TO_SIGN', 'UNABLE_TO_SIGN')", name=op.f('ck_notice_receipts_acknowledgement')),
    sa.CheckConstraint("channel IN ('IN_PERSON', 'ELECTRONIC', 'MAIL')", name=op.f('ck_notice_receipts_channel')),
    sa.ForeignKeyConstraint(['notice_id'], ['privacy_notices.notice_id'], name=op.f('fk_notice_receipts_notice_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_notice_receipts_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('receipt_id', name=op.f('pk_notice_receipts'))
    )
    op.create_index('ix_notice_receipts_tenant_notice', 'notice_receipts', ['tenant_id', 'notice_id', 'receipt_id'], unique=False)
    op.create_index('ix_notice_receipts_tenant_patient', 'notice_receipts', ['tenant_id', 'patient_id'], unique=False)
    op.create_table('restrictions',
    sa.Column('restriction_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('towards', sa.String(length=40), nullable=False),
    sa.Column('recipient_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('information_classes', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('paid_in_full', sa.Boolean(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('requested_by_role', sa.String(length=32), nullable=False),
    sa.Column('answer_due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('words_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('answered_by', sa.String(length=64), nullable=True),
    sa.Column('answered_by_role', sa.String(length=32), nullable=True),
    sa.Column('answered_by_credential', sa.String(length=16), nullable=True),
    sa.Column('answer_reason_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('ended_by_role', sa.String(length=32), nullable=True),
    sa.CheckConstraint("state IN ('REQUESTED', 'AGREED', 'DENIED', 'ENDED')", name=op.f('ck_restrictions_state')),
    sa.CheckConstraint("towards IN ('HEALTH_PLAN', 'FAMILY', 'EMPLOYER', 'PROVIDER', 'OTHER', 'ANYONE')", name=op.f('ck_restrictions_towards')),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_restrictions_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('restriction_id', name=op.f('pk_restrictions'))
    )
    op.create_index('ix_restrictions_tenant_patient', 'restrictions', ['tenant_id', 'patient_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_restrictions_tenant_patient', table_name='restrictions')
    op.drop_table('restrictions')
    op.drop_index('ix_notice_receipts_tenant_patient', table_name='notice_receipts')
    op.drop_index('ix_notice_receipts_tenant_notice', table_name='notice_receipts')
    op.drop_table('notice_receipts')
    op.drop_table('privacy_notices')
