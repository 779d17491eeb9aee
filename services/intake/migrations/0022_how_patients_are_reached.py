"""How patients are reached

Revision: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The number and the address in the rows that are there are sealed for their place, and become contact
    # points when they are read; a copy of the version before goes on to read and write them.
    op.create_table('contact_points',
    sa.Column('contact_point_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('address_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('label', sa.String(length=40), nullable=True),
    sa.Column('message_safe', sa.Boolean(), nullable=False),
    sa.Column('may_be_used', sa.Boolean(), nullable=False),
    sa.Column('position', sa.SmallInteger(), nullable=False),
    sa.Column('refused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('added_by', sa.String(length=64), nullable=False),
    sa.Column('added_by_role', sa.String(length=32), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('verified_by', sa.String(length=64), nullable=True),
    sa.Column('verified_by_role', sa.String(length=32), nullable=True),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('changed_by', sa.String(length=64), nullable=True),
    sa.Column('changed_by_role', sa.String(length=32), nullable=True),
    sa.Column('ending', sa.String(length=40), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.String(length=64), nullable=True),
    sa.Column('ended_by_role', sa.String(length=32), nullable=True),
    sa.CheckConstraint("ending IN ('WRONG', 'GIVEN_UP', 'NOT_SAFE', 'NOT_WANTED')", name=op.f('ck_contact_points_ending')),
    sa.CheckConstraint("kind IN ('PHONE', 'EMAIL')", name=op.f('ck_contact_points_kind')),
    sa.CheckConstraint("label IN ('MOBILE', 'HOME', 'WORK', 'TEMPORARY', 'SHARED', 'OTHER')", name=op.f('ck_contact_points_label')),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_contact_points_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('contact_point_id', name=op.f('pk_contact_points'))
    )
    op.create_index('ix_contact_points_tenant_patient', 'contact_points', ['tenant_id', 'patient_id'], unique=False)
    op.create_table('messages',
    sa.Column('message_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('wanted_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('template', sa.String(length=64), nullable=False),
    sa.Column('language', sa.String(length=40), nullable=False),
    sa.Column('contact_point_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('give_up_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('outcome', sa.String(length=40), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("outcome IN ('SENT', 'FAILED', 'SUPPRESSED', 'SIMULATED', 'NO_WAY')", name=op.f('ck_messages_outcome')),
    sa.ForeignKeyConstraint(['contact_point_id'], ['contact_points.contact_point_id'], name=op.f('fk_messages_contact_point_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_messages_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_messages'))
    )
    op.create_index('ix_messages_tenant_patient', 'messages', ['tenant_id', 'patient_id', 'message_id'], unique=False)
    op.create_index('ix_messages_tenant_wanted', 'messages', ['tenant_id', 'wanted_id'], unique=False)
    op.add_column('patients', sa.Column('language', sa.String(length=40), nullable=True))
    op.add_column('patients', sa.Column('preferred_channel', sa.String(length=40), nullable=True))
    op.create_check_constraint(op.f('ck_patients_preferred_channel'), 'patients', "preferred_channel IN ('PHONE', 'EMAIL')")
    op.add_column('inquiries', sa.Column('language', sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column('inquiries', 'language')
    op.drop_constraint(op.f('ck_patients_preferred_channel'), 'patients', type_='check')
    op.drop_column('patients', 'preferred_channel')
    op.drop_column('patients', 'language')
    op.drop_index('ix_messages_tenant_wanted', table_name='messages')
    op.drop_index('ix_messages_tenant_patient', table_name='messages')
    op.drop_table('messages')
    op.drop_index('ix_contact_points_tenant_patient', table_name='contact_points')
    op.drop_table('contact_points')
