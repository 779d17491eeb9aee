"""Cover and authorised units

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('coverages',
    sa.Column('coverage_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('payer', sa.String(length=64), nullable=False),
    sa.Column('status', sa.String(length=40), nullable=False),
    sa.Column('in_network', sa.Boolean(), nullable=True),
    sa.Column('needs_authorization', sa.Boolean(), nullable=False),
    sa.Column('deductible_left', sa.Integer(), nullable=True),
    sa.Column('out_of_pocket_left', sa.Integer(), nullable=True),
    sa.Column('coinsurance_percent', sa.SmallInteger(), nullable=True),
    sa.Column('copay', sa.Integer(), nullable=True),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('member_number_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("status IN ('ACTIVE', 'INACTIVE', 'UNKNOWN')", name=op.f('ck_coverages_status')),
    sa.ForeignKeyConstraint(['patient_id'], ['patients.patient_id'], name=op.f('fk_coverages_patient_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('coverage_id', name=op.f('pk_coverages')),
    sa.UniqueConstraint('tenant_id', 'patient_id', 'payer', name=op.f('uq_coverages_tenant_id_patient_id_payer'))
    )
    op.create_table('authorizations',
    sa.Column('authorization_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('journey_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('coverage_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('decision', sa.String(length=40), nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('first_on', sa.Date(), nullable=False),
    sa.Column('last_on', sa.Date(), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_by', sa.String(length=64), nullable=False),
    sa.Column('recorded_by_role', sa.String(length=32), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('denial_code', sa.String(length=40), nullable=True),
    sa.Column('number_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('told', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint("decision IN ('APPROVED', 'DENIED')", name=op.f('ck_authorizations_decision')),
    sa.CheckConstraint('units >= 0', name=op.f('ck_authorizations_units')),
    sa.ForeignKeyConstraint(['coverage_id'], ['coverages.coverage_id'], name=op.f('fk_authorizations_coverage_id'), initially='DEFERRED', deferrable=True),
    sa.ForeignKeyConstraint(['episode_id'], ['episodes.episode_id'], name=op.f('fk_authorizations_episode_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('authorization_id', name=op.f('pk_authorizations'))
    )
    op.create_index('ix_authorizations_tenant_episode', 'authorizations', ['tenant_id', 'episode_id'], unique=False)
    op.create_table('authorization_units',
    sa.Column('authorization_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('served_on', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=40), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('RESERVED', 'USED')", name=op.f('ck_authorization_units_state')),
    sa.ForeignKeyConstraint(['authorization_id'], ['authorizations.authorization_id'], name=op.f('fk_authorization_units_authorization_id'), initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('authorization_id', 'served_on', name=op.f('pk_authorization_units'))
    )


def downgrade() -> None:
    op.drop_table('authorization_units')
    op.drop_index('ix_authorizations_tenant_episode', table_name='authorizations')
    op.drop_table('authorizations')
    op.drop_table('coverages')
