"""Demands and requests for records

Revision: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('legal_holds',
    sa.Column('hold_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('placed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('hold_id', name=op.f('pk_legal_holds'))
    )
    op.create_index('ix_legal_holds_on', 'legal_holds', ['patient_id'], unique=False, postgresql_where=sa.text('released_at IS NULL'))
    op.create_table('legal_demands',
    sa.Column('demand_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('asker_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('about_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('text_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_by', sa.String(length=64), nullable=False),
    sa.Column('received_by_role', sa.String(length=32), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('outcome', sa.String(length=40), nullable=True),
    sa.Column('note_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('settled_by', sa.String(length=64), nullable=True),
    sa.Column('settled_by_role', sa.String(length=32), nullable=True),
    sa.Column('settled_by_credential', sa.String(length=16), nullable=True),
    sa.Column('released_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('released_by', sa.String(length=64), nullable=True),
    sa.Column('released_by_role', sa.String(length=32), nullable=True),
    sa.CheckConstraint("kind IN ('SUBPOENA', 'COURT_ORDER', 'WARRANT', 'POLICE_REQUEST', 'LAWYERS_LETTER', 'OTHER')", name=op.f('ck_legal_demands_kind')),
    sa.CheckConstraint("outcome IN ('NOTHING_DISCLOSED', 'OBJECTED_IN_COURT', 'ORDER_AND_SUBPOENA_VERIFIED', 'PATIENT_CONSENTED', 'WITHDRAWN_BY_ASKER')", name=op.f('ck_legal_demands_outcome')),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_legal_demands_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('demand_id', name=op.f('pk_legal_demands'))
    )
    op.create_index('ix_legal_demands_tenant_patient', 'legal_demands', ['tenant_id', 'patient_id'], unique=False)
    op.create_table('record_requests',
    sa.Column('request_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('requested_by', sa.String(length=64), nullable=False),
    sa.Column('requested_by_role', sa.String(length=32), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('extended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('delivered_by', sa.String(length=64), nullable=True),
    sa.Column('delivered_by_role', sa.String(length=32), nullable=True),
    sa.Column('denied_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('denied_by', sa.String(length=64), nullable=True),
    sa.Column('denied_by_role', sa.String(length=32), nullable=True),
    sa.Column('denied_by_credential', sa.String(length=16), nullable=True),
    sa.Column('ground', sa.String(length=40), nullable=True),
    sa.Column('reason_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("ground IN ('ENDANGERS_LIFE', 'COMPILED_FOR_PROCEEDINGS', 'NOT_HELD_HERE')", name=op.f('ck_record_requests_ground')),
    sa.CheckConstraint("state IN ('OPEN', 'DELIVERED', 'DENIED')", name=op.f('ck_record_requests_state')),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_record_requests_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('request_id', name=op.f('pk_record_requests'))
    )
    op.create_index('ix_record_requests_tenant_patient', 'record_requests', ['tenant_id', 'patient_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_record_requests_tenant_patient', table_name='record_requests')
    op.drop_table('record_requests')
    op.drop_index('ix_legal_demands_tenant_patient', table_name='legal_demands')
    op.drop_table('legal_demands')
    op.drop_index('ix_legal_holds_on', table_name='legal_holds', postgresql_where=sa.text('released_at IS NULL'))
    op.drop_table('legal_holds')
